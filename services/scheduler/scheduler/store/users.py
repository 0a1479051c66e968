"""What we know of users and tenants from `auth`'s events: the latest of each, whatever order they came in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from switchboard.contracts.auth import UserCreated, UserUpdated

SAVE_USER = """
insert into users as known (id, tenant_id, name, role, disabled, notify_phone, time_zone, as_of)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (id) do update set name = excluded.name, role = excluded.role, disabled = excluded.disabled,
    notify_phone = excluded.notify_phone, time_zone = excluded.time_zone, as_of = excluded.as_of
where known.as_of <= excluded.as_of
"""
SAVE_TENANT = """
insert into tenants as known (id, name, status, trial_ends_at, as_of) values ($1, $2, $3, $4, $5)
on conflict (id) do update set name = excluded.name, status = excluded.status,
    trial_ends_at = excluded.trial_ends_at, as_of = excluded.as_of
where known.as_of <= excluded.as_of
returning true
"""


@dataclass(frozen=True)
class User:
    id: UUID
    tenant_id: UUID
    name: str
    role: str
    disabled: bool
    notify_phone: str | None
    time_zone: str | None


@dataclass(frozen=True)
class Tenant:
    id: UUID
    name: str
    status: str
    trial_ends_at: datetime | None


def user_of(event: UserCreated | UserUpdated, tenant_id: UUID) -> User:
    """As auth tells of them."""
    return User(
        id=event.user_id,
        tenant_id=tenant_id,
        name=event.name,
        role=event.role,
        disabled=event.disabled,
        notify_phone=event.notify_phone,
        time_zone=event.time_zone,
    )


async def find_user(conn: asyncpg.Connection, user_id: UUID) -> User | None:
    row = await conn.fetchrow(
        "select id, tenant_id, name, role, disabled, notify_phone, time_zone from users where id = $1",
        user_id,
    )
    return None if row is None else User(**row)


async def save_user(conn: asyncpg.Connection, user: User, as_of: datetime) -> None:
    """Unless something newer is known."""
    await conn.execute(
        SAVE_USER,
        user.id,
        user.tenant_id,
        user.name,
        user.role,
        user.disabled,
        user.notify_phone,
        user.time_zone,
        as_of,
    )


async def save_tenant(conn: asyncpg.Connection, tenant: Tenant, as_of: datetime) -> bool:
    """Unless something newer is known. Returns whether it was saved."""
    saved = await conn.fetchval(SAVE_TENANT, tenant.id, tenant.name, tenant.status, tenant.trial_ends_at, as_of)
    return saved is True
