"""The caller's own sessions."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
from aiohttp import web

from auth.actions.sessions import end_session, end_sessions
from auth.adapters.session_cache import SessionCache
from auth.api.cookies import SessionCookie
from auth.api.schemas import SessionAnswer
from auth.store import sessions
from switchboard.http import Page, PageQuery, PlainRoute, ReadRoute, Request, Route, decode_cursor, page
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.postgres.database import Database
from switchboard.runtime.refusals import NotFound


@dataclass(frozen=True)
class OwnSessions:
    """Sessions of the caller. One that ends is refused by every gateway when the answer arrives."""

    database: Database
    cache: SessionCache
    cookie: SessionCookie

    def routes(self) -> list[Route]:
        return [
            ReadRoute("GET", "/api/v1/auth/sessions", self.list, query=PageQuery, answer=Page[SessionAnswer]),
            PlainRoute("DELETE", "/api/v1/auth/sessions", self.delete_others),
            PlainRoute("DELETE", "/api/v1/auth/sessions/{id}", self.delete),
            PlainRoute("POST", "/api/v1/auth/logout", self.log_out, status=204),
        ]

    async def list(self, request: Request, conn: asyncpg.Connection) -> Page[SessionAnswer]:
        """List my sessions, newest first."""
        query: PageQuery = request.query
        caller, now = request.identity, datetime.now(UTC)
        before = decode_cursor(query.cursor, UUID)[0] if query.cursor else None
        rows = await sessions.list_live(
            conn, caller.tenant_id, caller.user_id, now, before=before, limit=query.limit + 1
        )
        shown, cursor = page(rows, query.limit, lambda session: (session.id,))
        return Page(items=[SessionAnswer.of(session, caller.session_id) for session in shown], next_cursor=cursor)

    async def delete(self, request: Request) -> None:
        """End one of my sessions, on every gateway."""
        caller, now = request.identity, datetime.now(UTC)
        async with open_work(self.database, tenant_id=caller.tenant_id) as work:
            invalidations = await end_session(work, caller.user_id, request.uuid("id"), "revoked", now)
        if invalidations is None:
            raise NotFound
        await self.cache.invalidate(invalidations)

    async def delete_others(self, request: Request) -> None:
        """End all of my sessions except this one."""
        caller, now = request.identity, datetime.now(UTC)
        async with open_work(self.database, tenant_id=caller.tenant_id) as work:
            invalidations = await end_sessions(work, caller.user_id, "revoked", now, but=caller.session_id)
        await self.cache.invalidate(invalidations)

    async def log_out(self, request: Request) -> web.StreamResponse:
        """Log out: end this session, on every gateway."""
        caller = request.identity
        async with open_work(self.database, tenant_id=caller.tenant_id) as work:
            invalidations = await end_session(work, caller.user_id, caller.session_id, "logout", datetime.now(UTC))
        await self.cache.invalidate(invalidations or [])
        answer = web.Response(status=204)
        self.cookie.delete(answer)
        return answer
