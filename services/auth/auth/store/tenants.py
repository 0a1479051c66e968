"""SQL of tenants."""

from dataclasses import astuple, dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from auth.domain.tenants import Tenant
from switchboard.runtime.refusals import NotFound

COLUMNS = "id, name, status, trial_ends_at, suspended"  # in the order of the fields of `Tenant`
LIST = f"""
select {COLUMNS}, created_at, (select count(*) from users u where u.tenant_id = t.id) as users
from tenants t where id > $1 order by id limit $2
"""


@dataclass(frozen=True)
class ListedTenant:
    """A tenant with its number of users."""

    tenant: Tenant
    created_at: datetime
    users: int


async def add(conn: asyncpg.Connection, tenant: Tenant) -> None:
    await conn.execute(
        f"insert into tenants ({COLUMNS}) values ($1, $2, $3, $4, $5)",
        *astuple(tenant),
    )


async def save(conn: asyncpg.Connection, tenant: Tenant) -> None:
    await conn.execute(
        "update tenants set name = $2, status = $3, trial_ends_at = $4, suspended = $5 where id = $1",
        *astuple(tenant),
    )


async def get(conn: asyncpg.Connection, tenant_id: UUID) -> Tenant:
    row = await conn.fetchrow(f"select {COLUMNS} from tenants where id = $1", tenant_id)
    return _found(row)


async def find(conn: asyncpg.Connection, tenant_id: UUID) -> Tenant | None:
    row = await conn.fetchrow(f"select {COLUMNS} from tenants where id = $1", tenant_id)
    return Tenant(**row) if row else None


async def lock(conn: asyncpg.Connection, tenant_id: UUID) -> Tenant:
    row = await conn.fetchrow(f"select {COLUMNS} from tenants where id = $1 for update", tenant_id)
    return _found(row)


async def lock_expired(conn: asyncpg.Connection, now: datetime, limit: int) -> list[Tenant]:
    """Lock tenants with a trial that is over but not yet stored as expired. Skips rows that are locked already."""
    rows = await conn.fetch(
        f"""select {COLUMNS} from tenants where status = 'trial' and trial_ends_at <= $1
            order by trial_ends_at limit $2 for update skip locked""",
        now,
        limit,
    )
    return [Tenant(**row) for row in rows]


async def list_after(conn: asyncpg.Connection, after: UUID, limit: int) -> list[ListedTenant]:
    """The tenants after an id, oldest first."""
    rows = await conn.fetch(LIST, after, limit)
    return [ListedTenant(Tenant(*list(row)[:5]), row["created_at"], row["users"]) for row in rows]


def _found(row: asyncpg.Record | None) -> Tenant:
    if row is None:
        raise NotFound()
    return Tenant(**row)
