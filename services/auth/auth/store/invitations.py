"""SQL of invitations."""

from datetime import datetime
from uuid import UUID

import asyncpg

from auth.domain.users import User


async def add(conn: asyncpg.Connection, id: UUID, user: User, token_hash: bytes, expires_at: datetime) -> None:
    await conn.execute(
        "insert into invites (id, tenant_id, user_id, token_hash, expires_at) values ($1, $2, $3, $4, $5)",
        id,
        user.tenant_id,
        user.id,
        token_hash,
        expires_at,
    )


async def is_pending(conn: asyncpg.Connection, token_hash: bytes, now: datetime) -> bool:
    """Whether an invitation can be accepted: it is known, unused and not expired."""
    pending: bool = await conn.fetchval(
        "select exists (select from invites where token_hash = $1 and accepted_at is null and expires_at > $2)",
        token_hash,
        now,
    )
    return pending


async def accept(conn: asyncpg.Connection, token_hash: bytes, now: datetime) -> tuple[UUID, UUID] | None:
    """Accept an invitation, once: the ids of its tenant and user. None if it is unknown, used or expired."""
    row = await conn.fetchrow(
        """update invites set accepted_at = $2 where token_hash = $1 and accepted_at is null and expires_at > $2
           returning tenant_id, user_id""",
        token_hash,
        now,
    )
    return (row["tenant_id"], row["user_id"]) if row else None


async def drop_pending(conn: asyncpg.Connection, user_id: UUID) -> None:
    await conn.execute("delete from invites where user_id = $1 and accepted_at is null", user_id)
