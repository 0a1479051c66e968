"""What users do with their own account: sessions, password, preferences."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from auth.actions import sessions as actions
from auth.actions import users
from auth.adapters.sign_in_throttle import TooManyFailures
from auth.api.deps import Parts
from auth.api.schemas import ChangeMe, ChangePassword, Me, SessionView, TenantView, UserView
from auth.domain.users import InvalidCredentials
from auth.store import accounts as store
from switchboard.http import Page, PageQuery, PlainRoute, ReadRoute, Request, Route, WriteRoute, decode_cursor, page
from switchboard.messaging.outbox.unit_of_work import Work, open_work
from switchboard.runtime.refusals import NotFound


class AccountRoutes:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def table(self) -> list[Route]:
        return [
            WriteRoute("PATCH", "/api/v1/auth/me", self.change_me, body=ChangeMe, answer=Me),
            ReadRoute("GET", "/api/v1/auth/sessions", self.list_sessions, query=PageQuery, answer=Page[SessionView]),
            PlainRoute("DELETE", "/api/v1/auth/sessions", self.end_other_sessions),
            PlainRoute("DELETE", "/api/v1/auth/sessions/{id}", self.end_session),
            PlainRoute(
                "POST",
                "/api/v1/auth/password",
                self.change_password,
                body=ChangePassword,
                errors=(InvalidCredentials, TooManyFailures),
            ),
        ]

    async def change_me(self, request: Request, work: Work) -> Me:
        """Change my name, the phone to ring, or my time zone."""
        asked: ChangeMe = request.body
        user = await users.change_self(
            work,
            request.identity.user_id,
            name=asked.name,
            notify_phone=asked.notify_phone,
            time_zone=asked.time_zone,
            given=asked.model_fields_set,
        )
        tenant = await store.get_tenant(work.conn, user.tenant_id)
        return Me(user=UserView.of(user), tenant=TenantView.of(tenant, datetime.now(UTC)))

    async def list_sessions(self, request: Request, conn: asyncpg.Connection) -> Page[SessionView]:
        """My sessions, newest first."""
        asked: PageQuery = request.query
        before = decode_cursor(asked.cursor, UUID)[0] if asked.cursor else None
        who = request.identity
        rows = await store.list_sessions(
            conn, who.tenant_id, who.user_id, datetime.now(UTC), before=before, limit=asked.limit + 1
        )
        shown, cursor = page(rows, asked.limit, lambda session: (session.id,))
        return Page(items=[SessionView.of(session, who.session_id) for session in shown], next_cursor=cursor)

    async def end_session(self, request: Request) -> None:
        """End one of my sessions, on every gateway."""
        who = request.identity
        async with open_work(self._parts.database, tenant_id=who.tenant_id) as work:
            marks = await actions.end_session(work, who.user_id, request.uuid("id"), "revoked", datetime.now(UTC))
        if marks is None:
            raise NotFound
        await self._parts.cache.show(marks)

    async def end_other_sessions(self, request: Request) -> None:
        """End all of my sessions but this one."""
        who = request.identity
        async with open_work(self._parts.database, tenant_id=who.tenant_id) as work:
            marks = await actions.end_sessions(work, who.user_id, "revoked", datetime.now(UTC), but=who.session_id)
        await self._parts.cache.show(marks)

    async def change_password(self, request: Request) -> None:
        """Change my password; all my other sessions end."""
        parts, who, asked = self._parts, request.identity, request.body
        async with parts.throttle.attempt(None, str(who.user_id)):
            async with parts.database.connection() as conn:
                user = await store.get_user(conn, who.tenant_id, who.user_id)
            if not await parts.passwords.matches(user.password_hash, asked.current):
                raise InvalidCredentials("The current password is wrong.")
        new_hash = await parts.passwords.hash(asked.new)
        async with open_work(parts.database, tenant_id=who.tenant_id) as work:
            marks = await actions.change_password(work, user, new_hash, who.session_id, datetime.now(UTC))
        await parts.cache.show(marks)
