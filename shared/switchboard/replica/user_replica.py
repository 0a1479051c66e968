"""User replica: a service's own copy of auth's users and tenants, kept up to date by `user.*` and `tenant.*` events.

A service with a replica has the tables `users` and `tenants` and handles those events with `UserReplica`. An event that
is older than the one that wrote a row changes nothing, so events may arrive in any order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from switchboard.contracts.auth import (
    TenantCreated,
    TenantTrialExpired,
    TenantTrialExtended,
    TenantUpdated,
    UserCreated,
    UserUpdated,
)
from switchboard.messaging.outbox.unit_of_work import Work

UserEvent = UserCreated | UserUpdated
TenantEvent = TenantCreated | TenantUpdated | TenantTrialExtended | TenantTrialExpired

COLUMNS = ("id", "tenant_id", "name", "role", "disabled", "notify_phone", "time_zone")
FIND_USER = f"select {', '.join(COLUMNS)} from users where tenant_id = $1 and id = $2"  # noqa: S608
LIST_USER_IDS = "select id from users where tenant_id = $1"


@dataclass(frozen=True)
class ReplicatedUser:
    id: UUID
    tenant_id: UUID
    name: str
    role: str
    disabled: bool
    notify_phone: str | None
    time_zone: str | None

    @classmethod
    def of(cls, event: UserEvent, tenant_id: UUID) -> "ReplicatedUser":
        return cls(event.user_id, tenant_id, **{name: getattr(event, name) for name in COLUMNS[2:]})


@dataclass(frozen=True)
class UserReplica:
    """Applies auth's events to the replica.

    `user_columns` and `tenant_columns`: columns that this service has besides the common ones, named as the events'
    fields.
    """

    user_columns: tuple[str, ...] = ()
    tenant_columns: tuple[str, ...] = ()

    async def apply_user(self, event: UserEvent, work: Work) -> None:
        """Save the user, unless a newer event was applied before."""
        more = {name: getattr(event, name) for name in (*COLUMNS[2:], *self.user_columns)}
        await _save("users", {"id": event.user_id, "tenant_id": work.tenant_id, **more}, work)

    async def apply_tenant(self, event: TenantEvent, work: Work) -> None:
        """Save the tenant, unless a newer event was applied before."""
        await self.save_tenant(event, work)

    async def save_tenant(self, event: TenantEvent, work: Work) -> bool:
        """Save the tenant, unless a newer event was applied before. Returns whether it was saved."""
        more = {name: getattr(event, name) for name in ("name", "status", *self.tenant_columns)}
        return await _save("tenants", {"id": event.tenant_id, **more}, work)


async def find_user(conn: asyncpg.Connection, tenant_id: UUID, user_id: UUID) -> ReplicatedUser | None:
    row = await conn.fetchrow(FIND_USER, tenant_id, user_id)
    return None if row is None else ReplicatedUser(*row)


async def list_user_ids(conn: asyncpg.Connection, tenant_id: UUID) -> list[UUID]:
    """The ids of all users of a tenant, disabled ones included."""
    return [row["id"] for row in await conn.fetch(LIST_USER_IDS, tenant_id)]


async def _save(table: str, values: dict[str, Any], work: Work) -> bool:
    """Returns whether the row was written: an older event does not replace a newer one."""
    assert work.envelope is not None
    saved = await work.conn.fetchval(_upsert(table, list(values)), *values.values(), work.envelope.time)
    return saved is True


def _upsert(table: str, columns: Sequence[str]) -> str:
    columns = [*columns, "as_of"]
    places = ", ".join(f"${n}" for n in range(1, len(columns) + 1))
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in ("id", "tenant_id"))
    return f"""
        insert into {table} as known ({", ".join(columns)}) values ({places})
        on conflict (id) do update set {changes} where known.as_of <= excluded.as_of
        returning true
    """  # noqa: S608
