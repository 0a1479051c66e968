"""Who is at the door: the gateway's signed identity, or a session token that auth resolves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from switchboard.http.client import ServiceClient, ServiceUnreachable
from switchboard.http.identity import IDENTITY_HEADER, Identity, IdentityVerifier
from switchboard.runtime.refusals import Unauthenticated

RESOLVE_PATH = "/internal/sessions/resolve"
LONGEST_TOKEN = 512


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
    """Tells who comes. Raises `Unauthenticated`, or an `Unavailable` when it can't tell."""

    def __init__(self, verifier: IdentityVerifier, auth: ServiceClient) -> None:
        self._verifier = verifier
        self._auth = auth

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
        answered = await self._auth.request("POST", RESOLVE_PATH, json={"token": token})
        if answered.status == 401:
            raise Unauthenticated
        if answered.status != 200:
            raise ServiceUnreachable(f"auth answered {answered.status}")
        return dict(orjson.loads(answered.body))
