"""Lookups by gateways and services: sessions by their tokens, and the public signing keys."""

from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from auth.adapters.signing_keys import PublicSigningKeys
from auth.api.schemas import ResolvedSessionAnswer, SessionToResolve
from auth.domain.tokens import digest
from auth.store import sessions
from switchboard.http import PlainRoute, Request, Route
from switchboard.postgres.database import Database
from switchboard.runtime.refusals import Unauthenticated


@dataclass(frozen=True)
class IdentityLookup:
    """Sessions and signing keys, for the inside of the platform."""

    database: Database
    keys: PublicSigningKeys

    def routes(self) -> list[Route]:
        return [
            PlainRoute(
                "POST",
                "/internal/sessions/resolve",
                self.resolve,
                body=SessionToResolve,
                answer=ResolvedSessionAnswer,
                public=True,
                hidden=True,
            ),
            PlainRoute("GET", "/internal/identity-keys", self.list_keys, public=True, hidden=True),
        ]

    async def resolve(self, request: Request) -> ResolvedSessionAnswer:
        """Find the live session of a token."""
        body: SessionToResolve = request.body
        async with self.database.connection() as conn:
            found = await sessions.find_live(conn, digest(body.token), datetime.now(UTC))
        if found is None:
            raise Unauthenticated("There is no such session.")
        return ResolvedSessionAnswer.of(dict(found))

    async def list_keys(self, _request: Request) -> web.StreamResponse:
        """List the public keys by which identities are verified."""
        return web.Response(body=self.keys.published(), content_type="application/jwk-set+json")
