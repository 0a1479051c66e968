"""What this service knows of users and tenants, from auth's events. An older event never replaces a newer one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

SAVE_TENANT = """
insert into tenants as t (id, name, status, as_of) values ($1, $2, $3, $4)
on conflict (id) do update set name = excluded.name, status = excluded.status, as_of = excluded.as_of
where t.as_of <= excluded.as_of
"""
SAVE_USER = """
insert into users as u (id, tenant_id, email, name, role, disabled, notify_phone, time_zone, as_of)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (id) do update set
    email = excluded.email, name = excluded.name, role = excluded.role, disabled = excluded.disabled,
    notify_phone = excluded.notify_phone, time_zone = excluded.time_zone, as_of = excluded.as_of
where u.as_of <= excluded.as_of
"""
SAVE_FILE = """
insert into files as f (id, tenant_id, deleted) values ($1, $2, $3)
on conflict (id) do update set deleted = f.deleted or excluded.deleted
"""
LIST_FILE_IDS = "select id from files where tenant_id = $1 and id = any($2::uuid[]) and not deleted"
COLUMNS = "id, tenant_id, email, name, role, disabled, notify_phone, time_zone"
FIND_USER = f"select {COLUMNS} from users where tenant_id = $1 and id = $2"
FIND_OWNER = f"select {COLUMNS} from users where tenant_id = $1 and role = 'owner' order by disabled, id limit 1"
LIST_USER_IDS = "select id from users where tenant_id = $1"


@dataclass(frozen=True)
class User:
    id: UUID
    tenant_id: UUID
    email: str
    name: str
    role: str
    disabled: bool
    notify_phone: str | None
    time_zone: str | None


async def save_tenant(conn: asyncpg.Connection, tenant_id: UUID, name: str, status: str, as_of: datetime) -> None:
    await conn.execute(SAVE_TENANT, tenant_id, name, status, as_of)


async def save_user(conn: asyncpg.Connection, user: User, as_of: datetime) -> None:
    await conn.execute(
        SAVE_USER,
        user.id,
        user.tenant_id,
        user.email,
        user.name,
        user.role,
        user.disabled,
        user.notify_phone,
        user.time_zone,
        as_of,
    )


async def find_user(conn: asyncpg.Connection, tenant_id: UUID, user_id: UUID) -> User | None:
    row = await conn.fetchrow(FIND_USER, tenant_id, user_id)
    return None if row is None else User(*row)


async def find_owner(conn: asyncpg.Connection, tenant_id: UUID) -> User | None:
    """The tenant's owner."""
    row = await conn.fetchrow(FIND_OWNER, tenant_id)
    return None if row is None else User(*row)


async def list_user_ids(conn: asyncpg.Connection, tenant_id: UUID) -> list[UUID]:
    return [row["id"] for row in await conn.fetch(LIST_USER_IDS, tenant_id)]


async def save_file(conn: asyncpg.Connection, tenant_id: UUID, file_id: UUID, *, deleted: bool) -> None:
    """What is deleted stays so."""
    await conn.execute(SAVE_FILE, file_id, tenant_id, deleted)


async def find_unknown_files(conn: asyncpg.Connection, tenant_id: UUID, file_ids: Sequence[UUID]) -> list[UUID]:
    """Those that are not documents of this tenant."""
    rows = await conn.fetch(LIST_FILE_IDS, tenant_id, list(file_ids))
    known = {row["id"] for row in rows}
    return [file_id for file_id in file_ids if file_id not in known]
