"""SQL of sessions."""

from dataclasses import astuple
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from auth.domain.sessions import Session

# In the order of the fields of `Session`.
COLUMNS = "id, tenant_id, user_id, token_hash, created_at, last_seen_at, expires_at, address, agent"

LIVE_SESSION = """
with found as (
    select s.id, s.user_id, s.tenant_id, s.expires_at, s.last_seen_at,
           u.role, u.version, t.status, t.trial_ends_at, t.suspended, t.name
    from sessions s join users u on u.id = s.user_id join tenants t on t.id = s.tenant_id
    where s.token_hash = $1 and s.ended_at is null and s.expires_at > $2 and not u.disabled
), seen as (
    update sessions set last_seen_at = $2
    where id = (select id from found where last_seen_at < $2 - interval '30 seconds')
)
select * from found
"""


async def add(conn: asyncpg.Connection, session: Session) -> None:
    await conn.execute(
        f"insert into sessions ({COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        *astuple(session),
    )


async def find_live(conn: asyncpg.Connection, token_hash: bytes, now: datetime) -> asyncpg.Record | None:
    """The session with its user's role and its tenant's status. Updates `last_seen_at` at most twice a minute."""
    return await conn.fetchrow(LIVE_SESSION, token_hash, now)


async def is_live(conn: asyncpg.Connection, session_id: UUID, now: datetime) -> bool:
    live: bool = await conn.fetchval(
        "select exists (select from sessions where id = $1 and ended_at is null and expires_at > $2)", session_id, now
    )
    return live


async def list_live(
    conn: asyncpg.Connection,
    tenant_id: UUID,
    user_id: UUID,
    now: datetime,
    *,
    before: UUID | None = None,
    limit: int | None = None,
) -> list[Session]:
    """The sessions of a user that have neither ended nor expired, newest first."""
    rows = await conn.fetch(
        f"""select {COLUMNS} from sessions where tenant_id = $1 and user_id = $2 and ended_at is null
            and expires_at > $3 and ($4::uuid is null or id < $4) order by id desc limit $5""",
        tenant_id,
        user_id,
        now,
        before,
        limit,
    )
    return [Session(**row) for row in rows]


async def end(
    conn: asyncpg.Connection, tenant_id: UUID, user_id: UUID, session_id: UUID, now: datetime
) -> tuple[Session, bool] | None:
    """End a session. Returns it, and whether it was live until now; None if the user has no such session."""
    row = await conn.fetchrow(
        f"""select {COLUMNS}, ended_at from sessions where tenant_id = $1 and user_id = $2 and id = $3 for update""",
        tenant_id,
        user_id,
        session_id,
    )
    if row is None:
        return None
    if row["ended_at"] is None:
        await conn.execute("update sessions set ended_at = $2 where id = $1", session_id, now)
    return _session(row), row["ended_at"] is None


async def end_all(
    conn: asyncpg.Connection, tenant_id: UUID, user_id: UUID, now: datetime, but: UUID | None
) -> list[Session]:
    """End the live sessions of a user, except `but`. Returns them."""
    rows = await conn.fetch(
        f"""update sessions set ended_at = $3 where tenant_id = $1 and user_id = $2 and ended_at is null
            and expires_at > $3 and id is distinct from $4 returning {COLUMNS}""",
        tenant_id,
        user_id,
        now,
        but,
    )
    return [Session(**row) for row in rows]


async def drop_expired(conn: asyncpg.Connection, before: datetime) -> None:
    await conn.execute("delete from sessions where expires_at < $1", before)


def _session(row: asyncpg.Record) -> Session:
    values: dict[str, Any] = dict(row)
    values.pop("ended_at")
    return Session(**values)
