"""SQL of pending cache invalidations: rows of the changing transaction, deleted once they are in Redis."""

from collections.abc import Sequence

import asyncpg

from auth.domain.session_invalidation import SessionInvalidation


async def add(conn: asyncpg.Connection, invalidations: Sequence[SessionInvalidation]) -> None:
    """Add invalidations in the transaction of the change. `dead` is never replaced by `stale`."""
    await conn.execute(
        """insert into cache_marks as pending (key, state) select * from unnest($1::text[], $2::text[])
           on conflict (key) do update set made_at = clock_timestamp(),
           state = case when pending.state = 'dead' then 'dead' else excluded.state end""",
        [one.key for one in invalidations],
        [one.state for one in invalidations],
    )


async def list_pending(conn: asyncpg.Connection) -> list[SessionInvalidation]:
    """List invalidations that have been pending for a second, oldest first."""
    rows = await conn.fetch(
        """select key, state from cache_marks where made_at < clock_timestamp() - interval '1 second'
           order by made_at limit 500"""
    )
    return [SessionInvalidation(row["key"], row["state"]) for row in rows]


async def drop(conn: asyncpg.Connection, invalidations: Sequence[SessionInvalidation]) -> None:
    await conn.execute("delete from cache_marks where key = any($1::text[])", [one.key for one in invalidations])
