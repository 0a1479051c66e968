"""Every SQL statement of auth."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from auth.domain.session_invalidation import Mark
from auth.domain.users import EmailTaken, OAuthAccountTaken, Session, Tenant, User
from switchboard.runtime.refusals import NotFound

TENANT = "id, name, status, trial_ends_at"
USER = "id, tenant_id, email, name, role, password_hash, disabled, notify_phone, time_zone, version"
SESSION = "id, tenant_id, user_id, token_hash, created_at, last_seen_at, expires_at, address, agent"

LIVE_SESSION = """
with found as (
    select s.id, s.user_id, s.tenant_id, s.expires_at, s.last_seen_at,
           u.role, u.version, t.status, t.trial_ends_at, t.name
    from sessions s join users u on u.id = s.user_id join tenants t on t.id = s.tenant_id
    where s.token_hash = $1 and s.ended_at is null and s.expires_at > $2 and not u.disabled
), seen as (
    update sessions set last_seen_at = $2
    where id = (select id from found where last_seen_at < $2 - interval '30 seconds')
)
select * from found
"""


async def add_tenant(conn: asyncpg.Connection, tenant: Tenant) -> None:
    await conn.execute(
        "insert into tenants (id, name, status, trial_ends_at) values ($1, $2, $3, $4)",
        tenant.id,
        tenant.name,
        tenant.status,
        tenant.trial_ends_at,
    )


async def save_tenant(conn: asyncpg.Connection, tenant: Tenant) -> None:
    await conn.execute(
        "update tenants set name = $2, status = $3, trial_ends_at = $4 where id = $1",
        tenant.id,
        tenant.name,
        tenant.status,
        tenant.trial_ends_at,
    )


async def get_tenant(conn: asyncpg.Connection, tenant_id: UUID) -> Tenant:
    row = await conn.fetchrow(f"select {TENANT} from tenants where id = $1", tenant_id)
    return _tenant(row)


async def find_tenant(conn: asyncpg.Connection, tenant_id: UUID) -> Tenant | None:
    row = await conn.fetchrow(f"select {TENANT} from tenants where id = $1", tenant_id)
    return Tenant(**row) if row else None


async def lock_tenant(conn: asyncpg.Connection, tenant_id: UUID) -> Tenant:
    row = await conn.fetchrow(f"select {TENANT} from tenants where id = $1 for update", tenant_id)
    return _tenant(row)


async def list_tenants_to_expire(conn: asyncpg.Connection, now: datetime, limit: int) -> list[Tenant]:
    """Locked; those that another transaction holds are left to it."""
    rows = await conn.fetch(
        f"""select {TENANT} from tenants where status = 'trial' and trial_ends_at <= $1
            order by trial_ends_at limit $2 for update skip locked""",
        now,
        limit,
    )
    return [Tenant(**row) for row in rows]


async def add_user(conn: asyncpg.Connection, user: User) -> None:
    """Raises `EmailTaken`."""
    try:
        await conn.execute(
            f"insert into users ({USER}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            user.id,
            user.tenant_id,
            user.email,
            user.name,
            user.role,
            user.password_hash,
            user.disabled,
            user.notify_phone,
            user.time_zone,
            user.version,
        )
    except asyncpg.UniqueViolationError as taken:
        raise EmailTaken() from taken


async def save_user(conn: asyncpg.Connection, user: User) -> None:
    await conn.execute(
        """update users set name = $2, role = $3, password_hash = $4, disabled = $5, notify_phone = $6,
           time_zone = $7, version = $8 where id = $1""",
        user.id,
        user.name,
        user.role,
        user.password_hash,
        user.disabled,
        user.notify_phone,
        user.time_zone,
        user.version,
    )


async def find_user_by_email(conn: asyncpg.Connection, email: str) -> User | None:
    row = await conn.fetchrow(f"select {USER} from users where lower(email) = lower($1)", email)
    return User(**row) if row else None


async def get_user(conn: asyncpg.Connection, tenant_id: UUID, user_id: UUID) -> User:
    row = await conn.fetchrow(f"select {USER} from users where tenant_id = $1 and id = $2", tenant_id, user_id)
    return _user(row)


async def has_user(conn: asyncpg.Connection, user_id: UUID) -> bool:
    """Whether the id is taken, in whichever tenant."""
    taken: bool = await conn.fetchval("select exists (select from users where id = $1)", user_id)
    return taken


async def lock_user(conn: asyncpg.Connection, tenant_id: UUID, user_id: UUID) -> User:
    row = await conn.fetchrow(
        f"select {USER} from users where tenant_id = $1 and id = $2 for update", tenant_id, user_id
    )
    return _user(row)


async def list_users(conn: asyncpg.Connection, tenant_id: UUID, after: UUID | None, limit: int) -> list[User]:
    rows = await conn.fetch(
        f"""select {USER} from users where tenant_id = $1 and ($2::uuid is null or id > $2)
            order by id limit $3""",
        tenant_id,
        after,
        limit,
    )
    return [User(**row) for row in rows]


async def add_invite(conn: asyncpg.Connection, id: UUID, user: User, token_hash: bytes, expires_at: datetime) -> None:
    await conn.execute(
        "insert into invites (id, tenant_id, user_id, token_hash, expires_at) values ($1, $2, $3, $4, $5)",
        id,
        user.tenant_id,
        user.id,
        token_hash,
        expires_at,
    )


async def take_invite(conn: asyncpg.Connection, token_hash: bytes, now: datetime) -> tuple[UUID, UUID] | None:
    """Accept it, once: its tenant and user. None when it is unknown, used or too old."""
    row = await conn.fetchrow(
        """update invites set accepted_at = $2 where token_hash = $1 and accepted_at is null and expires_at > $2
           returning tenant_id, user_id""",
        token_hash,
        now,
    )
    return (row["tenant_id"], row["user_id"]) if row else None


async def drop_invites(conn: asyncpg.Connection, user_id: UUID) -> None:
    await conn.execute("delete from invites where user_id = $1 and accepted_at is null", user_id)


async def has_joined(conn: asyncpg.Connection, user_id: UUID) -> bool:
    """Whether the user can sign in: signed up, or accepted an invitation."""
    joined: bool = await conn.fetchval(
        """select password_hash is not null or exists (select from oauth_accounts where user_id = users.id)
           from users where id = $1""",
        user_id,
    )
    return joined


async def find_oauth_user(conn: asyncpg.Connection, provider: str, subject: str) -> User | None:
    """The user with this account of a provider, locked."""
    row = await conn.fetchrow(
        f"""select {USER} from users where id =
            (select user_id from oauth_accounts where provider = $1 and subject = $2) for update""",
        provider,
        subject,
    )
    return User(**row) if row else None


async def add_oauth_account(
    conn: asyncpg.Connection, provider: str, subject: str, user: User, email: str | None
) -> None:
    """Raises `OAuthAccountTaken`."""
    try:
        await conn.execute(
            "insert into oauth_accounts (provider, subject, tenant_id, user_id, email) values ($1, $2, $3, $4, $5)",
            provider,
            subject,
            user.tenant_id,
            user.id,
            email,
        )
    except asyncpg.UniqueViolationError as taken:
        raise OAuthAccountTaken() from taken


async def is_live(conn: asyncpg.Connection, session_id: UUID, now: datetime) -> bool:
    live: bool = await conn.fetchval(
        "select exists (select from sessions where id = $1 and ended_at is null and expires_at > $2)", session_id, now
    )
    return live


async def add_session(conn: asyncpg.Connection, session: Session) -> None:
    await conn.execute(
        f"insert into sessions ({SESSION}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        session.id,
        session.tenant_id,
        session.user_id,
        session.token_hash,
        session.created_at,
        session.last_seen_at,
        session.expires_at,
        session.address,
        session.agent,
    )


async def find_live_session(conn: asyncpg.Connection, token_hash: bytes, now: datetime) -> asyncpg.Record | None:
    """The session with its user's role and its tenant's state, noting at most twice a minute that it was seen."""
    return await conn.fetchrow(LIVE_SESSION, token_hash, now)


async def list_sessions(
    conn: asyncpg.Connection,
    tenant_id: UUID,
    user_id: UUID,
    now: datetime,
    *,
    before: UUID | None = None,
    limit: int | None = None,
) -> list[Session]:
    """Those that live, newest first."""
    rows = await conn.fetch(
        f"""select {SESSION} from sessions where tenant_id = $1 and user_id = $2 and ended_at is null
            and expires_at > $3 and ($4::uuid is null or id < $4) order by id desc limit $5""",
        tenant_id,
        user_id,
        now,
        before,
        limit,
    )
    return [Session(**row) for row in rows]


async def end_session(
    conn: asyncpg.Connection, tenant_id: UUID, user_id: UUID, session_id: UUID, now: datetime
) -> tuple[Session, bool] | None:
    """The session, ended, and whether it was this that ended it. None when it isn't this user's."""
    row = await conn.fetchrow(
        f"""select {SESSION}, ended_at from sessions where tenant_id = $1 and user_id = $2 and id = $3 for update""",
        tenant_id,
        user_id,
        session_id,
    )
    if row is None:
        return None
    if row["ended_at"] is None:
        await conn.execute("update sessions set ended_at = $2 where id = $1", session_id, now)
    return _session(row), row["ended_at"] is None


async def end_sessions(
    conn: asyncpg.Connection, tenant_id: UUID, user_id: UUID, now: datetime, but: UUID | None
) -> list[Session]:
    """All sessions of a user but one, ended; those that had not ended before."""
    rows = await conn.fetch(
        f"""update sessions set ended_at = $3 where tenant_id = $1 and user_id = $2 and ended_at is null
            and expires_at > $3 and id is distinct from $4 returning {SESSION}""",
        tenant_id,
        user_id,
        now,
        but,
    )
    return [Session(**row) for row in rows]


async def drop_old_sessions(conn: asyncpg.Connection, before: datetime) -> None:
    await conn.execute("delete from sessions where expires_at < $1", before)


async def add_marks(conn: asyncpg.Connection, marks: Sequence[Mark]) -> None:
    """In the transaction that makes them necessary. A session that is dead stays dead."""
    await conn.execute(
        """insert into cache_marks as held (key, state) select * from unnest($1::text[], $2::text[])
           on conflict (key) do update set made_at = clock_timestamp(),
           state = case when held.state = 'dead' then 'dead' else excluded.state end""",
        [mark.key for mark in marks],
        [mark.state for mark in marks],
    )


async def list_marks(conn: asyncpg.Connection) -> list[Mark]:
    """Those that nobody has shown for a second, and that a cached entry could still contradict."""
    rows = await conn.fetch(
        """select key, state from cache_marks where made_at < clock_timestamp() - interval '1 second'
           order by made_at limit 500"""
    )
    return [Mark(row["key"], row["state"]) for row in rows]


async def drop_marks(conn: asyncpg.Connection, marks: Sequence[Mark]) -> None:
    await conn.execute("delete from cache_marks where key = any($1::text[])", [mark.key for mark in marks])


def _tenant(row: asyncpg.Record | None) -> Tenant:
    if row is None:
        raise NotFound()
    return Tenant(**row)


def _user(row: asyncpg.Record | None) -> User:
    if row is None:
        raise NotFound()
    return User(**row)


def _session(row: asyncpg.Record) -> Session:
    values: dict[str, Any] = dict(row)
    values.pop("ended_at")
    return Session(**values)
