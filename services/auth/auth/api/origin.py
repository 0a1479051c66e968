"""The client of a request, as the gateway has seen it."""

from __future__ import annotations

from auth.domain.sessions import Origin
from switchboard.http import Request


def origin_of(request: Request) -> Origin:
    """The address and the agent of the client that sent a request to the gateway."""
    forwarded = request.http.headers.get("X-Forwarded-For", "")
    return Origin(
        address=forwarded.rpartition(",")[2].strip() or request.http.remote,
        agent=request.http.headers.get("User-Agent"),
    )
