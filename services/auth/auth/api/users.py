"""What admins do with the tenant's users, and its owner with the tenant."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from auth.actions import tenants, users
from auth.api.deps import Parts
from auth.api.schemas import ChangeTenant, ChangeUser, InvitedView, InviteUser, TenantView, UserView
from auth.domain.events import user_updated
from auth.domain.users import EmailTaken, OwnerStays, RankTooLow
from auth.store import accounts as store
from switchboard.contracts.auth import USER_PATH, UserUpdated
from switchboard.http import (
    InternalRoute,
    Page,
    PageQuery,
    PlainRoute,
    ReadRoute,
    Request,
    Route,
    WriteRoute,
    decode_cursor,
    page,
)
from switchboard.http.identity import Role
from switchboard.messaging.outbox.unit_of_work import Work, open_work


class UserRoutes:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def table(self) -> list[Route]:
        return [
            ReadRoute("GET", "/api/v1/users", self.list_users, query=PageQuery, answer=Page[UserView], role=Role.ADMIN),
            WriteRoute(
                "POST",
                "/api/v1/users",
                self.invite_user,
                body=InviteUser,
                answer=InvitedView,
                status=201,
                role=Role.ADMIN,
                errors=(EmailTaken, RankTooLow),
            ),
            PlainRoute(
                "PATCH",
                "/api/v1/users/{id}",
                self.change_user,
                body=ChangeUser,
                answer=UserView,
                role=Role.ADMIN,
                errors=(OwnerStays, RankTooLow),
            ),
            PlainRoute(
                "PATCH", "/api/v1/tenant", self.change_tenant, body=ChangeTenant, answer=TenantView, role=Role.OWNER
            ),
            InternalRoute(
                "GET", USER_PATH, self.tell_of_user, answer=UserUpdated, callers=["scheduler", "conversations"]
            ),
        ]

    async def list_users(self, request: Request, conn: asyncpg.Connection) -> Page[UserView]:
        """The tenant's users."""
        asked: PageQuery = request.query
        after = decode_cursor(asked.cursor, UUID)[0] if asked.cursor else None
        rows = await store.list_users(conn, request.identity.tenant_id, after, asked.limit + 1)
        shown, cursor = page(rows, asked.limit, lambda user: (user.id,))
        return Page(items=[UserView.of(user) for user in shown], next_cursor=cursor)

    async def tell_of_user(self, request: Request, conn: asyncpg.Connection) -> UserUpdated:
        """A user, for who hasn't heard of them yet."""
        return user_updated(await store.get_user(conn, request.identity.tenant_id, request.uuid("id")))

    async def invite_user(self, request: Request, work: Work) -> InvitedView:
        """Invite somebody; the token in the answer is for them alone, shown this once."""
        asked: InviteUser = request.body
        invited = await users.invite(
            work, asked.email, asked.name, asked.role, by=request.identity.role.value, now=datetime.now(UTC)
        )
        return InvitedView(user=UserView.of(invited.user), invite_token=invited.token)

    async def change_user(self, request: Request) -> UserView:
        """Change a user's role or name, disable or enable them; in force with the next request."""
        asked, who = request.body, request.identity
        async with open_work(self._parts.database, tenant_id=who.tenant_id) as work:
            user, marks = await users.change_user(
                work,
                request.uuid("id"),
                who.role.value,
                datetime.now(UTC),
                name=asked.name,
                role=asked.role,
                disabled=asked.disabled,
            )
        await self._parts.cache.show(marks)
        return UserView.of(user)

    async def change_tenant(self, request: Request) -> TenantView:
        """Rename the tenant, or extend its trial."""
        asked, now = request.body, datetime.now(UTC)
        async with open_work(self._parts.database, tenant_id=request.identity.tenant_id) as work:
            tenant, marks = await tenants.change_tenant(work, now, name=asked.name, trial_ends_at=asked.trial_ends_at)
        await self._parts.cache.show(marks)
        return TenantView.of(tenant, now)
