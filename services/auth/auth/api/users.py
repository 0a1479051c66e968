"""Users of a tenant, and the tenant itself."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from auth.actions.tenants import rename_tenant
from auth.actions.users import UserChanges, change_user
from auth.adapters.session_cache import SessionCache
from auth.api.schemas import TenantAnswer, TenantChange, UserAnswer, UserChange
from auth.domain.events import user_updated
from auth.domain.tenants import TrialSetByOperator
from auth.domain.users import OwnerStays, RankTooLow
from auth.store import users
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
from switchboard.postgres.database import Database


@dataclass(frozen=True)
class UserAdministration:
    """The tenant of the caller and its users. Changes hold on every gateway when the answer arrives."""

    database: Database
    cache: SessionCache

    def routes(self) -> list[Route]:
        return [
            ReadRoute("GET", "/api/v1/users", self.list, query=PageQuery, answer=Page[UserAnswer], role=Role.ADMIN),
            PlainRoute(
                "PATCH",
                "/api/v1/users/{id}",
                self.update,
                body=UserChange,
                answer=UserAnswer,
                role=Role.ADMIN,
                errors=(OwnerStays, RankTooLow),
            ),
            WriteRoute(
                "PATCH",
                "/api/v1/tenant",
                self.update_tenant,
                body=TenantChange,
                answer=TenantAnswer,
                role=Role.OWNER,
                errors=(TrialSetByOperator,),
            ),
            InternalRoute("GET", USER_PATH, self.get, answer=UserUpdated, callers=["scheduler", "conversations"]),
        ]

    async def list(self, request: Request, conn: asyncpg.Connection) -> Page[UserAnswer]:
        """List the tenant's users."""
        query: PageQuery = request.query
        after = decode_cursor(query.cursor, UUID)[0] if query.cursor else None
        rows = await users.list_of_tenant(conn, request.identity.tenant_id, after, query.limit + 1)
        shown, cursor = page(rows, query.limit, lambda user: (user.id,))
        return Page(items=[UserAnswer.of(user) for user in shown], next_cursor=cursor)

    async def get(self, request: Request, conn: asyncpg.Connection) -> UserUpdated:
        """Get a user, for services that lack it in their replica of users."""
        return user_updated(await users.get(conn, request.identity.tenant_id, request.uuid("id")))

    async def update(self, request: Request) -> UserAnswer:
        """Change a user's name or role, or disable or enable them. Holds from the next request on."""
        body: UserChange = request.body
        caller, changes = request.identity, UserChanges(body.name, body.role, body.disabled)
        async with open_work(self.database, tenant_id=caller.tenant_id) as work:
            user, invalidations = await change_user(
                work, request.uuid("id"), changes, by=caller.role.value, now=datetime.now(UTC)
            )
        await self.cache.invalidate(invalidations)
        return UserAnswer.of(user)

    async def update_tenant(self, request: Request, work: Work) -> TenantAnswer:
        """Rename the tenant.

        The end of its trial is set by the operator of the installation: a request with `trial_ends_at` is refused.
        """
        body: TenantChange = request.body
        if body.trial_ends_at is not None:
            raise TrialSetByOperator
        return TenantAnswer.of(await rename_tenant(work, body.name), datetime.now(UTC))
