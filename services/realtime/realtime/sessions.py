"""Who is at the door: the gateway's signed identity, or a session token that auth resolves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import aiohttp

from switchboard.runtime.identity import IDENTITY_HEADER, Identity, IdentityVerifier
from switchboard.runtime.outage import Outage
from switchboard.runtime.refusals import Unauthenticated

RESOLVE_PATH = "/internal/sessions/resolve"
LONGEST_TOKEN = 512


class AuthAway(Outage):
    """No instance of auth answers."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody whose session was good a moment ago, and ends by itself at `expires_at`."""

    user_id: UUID
    tenant_id: UUID
    session_id: UUID
    expires_at: datetime | None


def visitor_of(identity: Identity) -> Visitor:
    """Whom the gateway has vouched for."""
    ends = identity.session_ends
    expires_at = None if ends is None else datetime.fromtimestamp(ends, UTC)
    return Visitor(identity.user_id, identity.tenant_id, identity.session_id, expires_at)


class Door:
    """Tells who comes. Raises `Unauthenticated`, or an `Outage` when it can't tell."""

    def __init__(self, verifier: IdentityVerifier, auth_urls: Sequence[str], client: aiohttp.ClientSession) -> None:
        self._verifier = verifier
        self._auth_urls = list(auth_urls)
        self._client = client

    async def identify(self, headers: Mapping[str, str], auth: object) -> Visitor:
        """By the token in Socket.IO's `auth` if there is one, else by the header that the gateway set."""
        token = auth.get("token") if isinstance(auth, dict) else None
        if token is not None:
            return await self._by_token(token)
        return visitor_of(await self._verifier.verify(headers.get(IDENTITY_HEADER)))

    async def _by_token(self, token: object) -> Visitor:
        if not isinstance(token, str) or not 0 < len(token) <= LONGEST_TOKEN:
            raise Unauthenticated
        session = await self._resolve(token)
        return Visitor(
            UUID(session["user_id"]),
            UUID(session["tenant_id"]),
            UUID(session["session_id"]),
            datetime.fromisoformat(session["expires_at"]),
        )

    async def _resolve(self, token: str) -> dict[str, Any]:
        self._auth_urls.append(self._auth_urls.pop(0))
        for url in tuple(self._auth_urls):
            try:
                async with self._client.post(url + RESOLVE_PATH, json={"token": token}) as answer:
                    if answer.status == 401:
                        raise Unauthenticated
                    if answer.status == 200:
                        return dict(await answer.json())
            except (aiohttp.ClientError, TimeoutError, OSError):
                continue
        raise AuthAway("no instance of auth resolves the session")
