"""What admins do with the tenant's users, and its owner with the tenant."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from auth import store, tenants, users
from auth.domain import EmailTaken, OwnerStays, RankTooLow
from auth.parts import Parts
from auth.publications import user_updated
from auth.views import ChangeTenant, ChangeUser, InvitedView, InviteUser, TenantView, UserView
from switchboard.contracts.auth import USER_PATH, UserUpdated
from switchboard.messaging.work import Work, open_work
from switchboard.runtime.http import Call, Page, PageQuery, Route, decode_cursor, page, plain, reads, tells, writes
from switchboard.runtime.identity import Role


class UserRoutes:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def table(self) -> list[Route]:
        return [
            reads("/api/v1/users", self.list_users, query=PageQuery, answer=Page[UserView], role=Role.ADMIN),
            writes(
                "POST",
                "/api/v1/users",
                self.invite_user,
                body=InviteUser,
                answer=InvitedView,
                status=201,
                role=Role.ADMIN,
                errors=(EmailTaken, RankTooLow),
            ),
            plain(
                "PATCH",
                "/api/v1/users/{id}",
                self.change_user,
                body=ChangeUser,
                answer=UserView,
                role=Role.ADMIN,
                errors=(OwnerStays, RankTooLow),
            ),
            plain("PATCH", "/api/v1/tenant", self.change_tenant, body=ChangeTenant, answer=TenantView, role=Role.OWNER),
            tells(USER_PATH, self.tell_of_user, answer=UserUpdated, to=["scheduler", "conversations"]),
        ]

    async def list_users(self, call: Call, conn: asyncpg.Connection) -> Page[UserView]:
        """The tenant's users."""
        asked: PageQuery = call.query
        after = decode_cursor(asked.cursor, UUID)[0] if asked.cursor else None
        rows = await store.list_users(conn, call.identity.tenant_id, after, asked.limit + 1)
        shown, cursor = page(rows, asked.limit, lambda user: (user.id,))
        return Page(items=[UserView.of(user) for user in shown], next_cursor=cursor)

    async def tell_of_user(self, call: Call, conn: asyncpg.Connection) -> UserUpdated:
        """A user, for who hasn't heard of them yet."""
        return user_updated(await store.get_user(conn, call.identity.tenant_id, call.uuid("id")))

    async def invite_user(self, call: Call, work: Work) -> InvitedView:
        """Invite somebody; the token in the answer is for them alone, shown this once."""
        asked: InviteUser = call.body
        invited = await users.invite(
            work, asked.email, asked.name, asked.role, by=call.identity.role.value, now=datetime.now(UTC)
        )
        return InvitedView(user=UserView.of(invited.user), invite_token=invited.token)

    async def change_user(self, call: Call) -> UserView:
        """Change a user's role or name, disable or enable them; in force with the next request."""
        asked, who = call.body, call.identity
        async with open_work(self._parts.database, tenant_id=who.tenant_id) as work:
            user, marks = await users.change_user(
                work,
                call.uuid("id"),
                who.role.value,
                datetime.now(UTC),
                name=asked.name,
                role=asked.role,
                disabled=asked.disabled,
            )
        await self._parts.cache.show(marks)
        return UserView.of(user)

    async def change_tenant(self, call: Call) -> TenantView:
        """Rename the tenant, or extend its trial."""
        asked, now = call.body, datetime.now(UTC)
        async with open_work(self._parts.database, tenant_id=call.identity.tenant_id) as work:
            tenant, marks = await tenants.change_tenant(work, now, name=asked.name, trial_ends_at=asked.trial_ends_at)
        await self._parts.cache.show(marks)
        return TenantView.of(tenant, now)
