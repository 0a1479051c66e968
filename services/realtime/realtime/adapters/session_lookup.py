"""Authentication of connections: by the gateway's signed identity, or by a session token that auth resolves."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self
from uuid import UUID

import orjson

from switchboard.http.client import ServiceClient, ServiceUnreachable
from switchboard.http.identity import IDENTITY_HEADER, Identity, IdentityVerifier
from switchboard.runtime.refusals import Unauthenticated

RESOLVE_PATH = "/internal/sessions/resolve"
MAX_TOKEN = 512


class SessionOfSuspendedTenant(Unauthenticated):
    """The operator of this installation has suspended the tenant."""

    code = "tenant_suspended"
    status = 403


@dataclass(frozen=True, slots=True)
class SocketSession:
    """The session behind a connection. It was valid at the lookup, and expires at `expires_at`."""

    user_id: UUID
    tenant_id: UUID
    session_id: UUID
    expires_at: datetime | None

    @classmethod
    def of(cls, identity: Identity) -> Self:
        ends = identity.session_ends
        expires_at = None if ends is None else datetime.fromtimestamp(ends, UTC)
        return cls(identity.user_id, identity.tenant_id, identity.session_id, expires_at)


class Authenticator:
    """Authenticates connections. Raises `Unauthenticated`, or an `Unavailable` when it can't be decided now."""

    def __init__(self, verifier: IdentityVerifier, auth: ServiceClient) -> None:
        self._verifier = verifier
        self._auth = auth

    async def authenticate(self, headers: Mapping[str, str], auth: object) -> SocketSession:
        """By the token in Socket.IO's `auth` if there is one, else by the header that the gateway set."""
        token = auth.get("token") if isinstance(auth, dict) else None
        if token is None:
            return SocketSession.of(await self._verifier.verify(headers.get(IDENTITY_HEADER)))
        if (
            not isinstance(token, str)
            or not 0 < len(token) <= MAX_TOKEN
            or not token.isprintable()
            or not token.isascii()
        ):
            raise Unauthenticated
        return await self._resolve(token)

    async def session_of(self, headers: Mapping[str, str]) -> UUID | None:
        """The session of the identity that the gateway has set, if it has."""
        try:
            return (await self._verifier.verify(headers.get(IDENTITY_HEADER))).session_id
        except Unauthenticated:
            return None

    async def _resolve(self, token: str) -> SocketSession:
        answer = await self._auth.request("POST", RESOLVE_PATH, json={"token": token})
        if answer.status == 401:
            raise Unauthenticated
        if answer.status != 200:
            raise ServiceUnreachable(f"auth answered {answer.status}")
        session = orjson.loads(answer.body)
        if session["tenant"].get("suspended"):
            raise SessionOfSuspendedTenant
        return SocketSession(
            UUID(session["user_id"]),
            UUID(session["tenant_id"]),
            UUID(session["session_id"]),
            datetime.fromisoformat(session["expires_at"]),
        )
