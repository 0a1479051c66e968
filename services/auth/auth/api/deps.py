"""What auth's routes stand on, and what several of them do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web

from auth.actions.sessions import Origin, SignedIn
from auth.adapters.password_hashing import Passwords
from auth.adapters.session_cache import SessionCache
from auth.adapters.sign_in_throttle import Throttle
from auth.adapters.signing_keys import KeyFile
from auth.api.cookies import SessionCookie
from auth.api.schemas import SignedInView
from switchboard.http import Request, reply
from switchboard.postgres.database import Database


@dataclass(frozen=True)
class Parts:
    database: Database
    cache: SessionCache
    passwords: Passwords
    throttle: Throttle
    keys: KeyFile
    cookie: SessionCookie
    trial_duration: timedelta
    session_duration: timedelta

    def welcome(self, signed_in: SignedIn, now: datetime, *, status: int = 200) -> web.StreamResponse:
        """The answer to who just signed in: the session in the body, and as a cookie."""
        answer = reply(SignedInView.of(signed_in, now), status)
        self.cookie.give(answer, signed_in.token, signed_in.session.expires_at - now)
        return answer


def origin_of(request: Request) -> Origin:
    """Where the request came from, as the gateway saw it."""
    forwarded = request.http.headers.get("X-Forwarded-For", "")
    return Origin(
        address=forwarded.rpartition(",")[2].strip() or request.http.remote,
        agent=request.http.headers.get("User-Agent"),
    )
