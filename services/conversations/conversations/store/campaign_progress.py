"""SQL of campaign progress: counts of deliveries by status."""

from datetime import timedelta
from uuid import UUID

import asyncpg

from conversations.store.campaign_runs import COLUMNS, Run

_RUN = COLUMNS.replace("audience,", "'{}'::jsonb,")
ANY_ALIVE = "select exists (select from campaign_runs where status = 'running' or dirty)"
LOCK_ONE = f"""
select {_RUN} from campaign_runs
where (status = 'running' or dirty) and progress_at < clock_timestamp() - $1::interval
order by progress_at limit 1 for update skip locked
"""
COUNT = "select status, count(*) as n from deliveries where campaign_id = $1 group by status"
SAVE = """
update campaign_runs set counts = $2, status = $3, dirty = $4, progress_at = clock_timestamp(),
    completed_at = case when $3 = 'completed' then coalesce(completed_at, clock_timestamp()) end
where id = $1
"""
SKIP_PENDING = """
with due as (
    select id from deliveries where campaign_id = $1 and status = 'pending' and message_id is null
    limit $2 for update skip locked
)
update deliveries d set status = 'skipped', reason = 'cancelled', settled_at = clock_timestamp()
from due where d.id = due.id
"""
LOCK_PENDING_WITH_MESSAGE = """
select id from deliveries where campaign_id = $1 and status = 'pending' and message_id is not null
limit $2 for update skip locked
"""


async def any_alive(conn: asyncpg.Connection) -> bool:
    """Whether any run may still change."""
    return bool(await conn.fetchval(ANY_ALIVE))


async def lock_one(conn: asyncpg.Connection, every: timedelta) -> Run | None:
    """Lock a run that may have changed and that was not counted during the last `every`."""
    row = await conn.fetchrow(LOCK_ONE, every)
    return None if row is None else Run(*row)


async def count(conn: asyncpg.Connection, run_id: UUID) -> dict[str, int]:
    return {row["status"]: row["n"] for row in await conn.fetch(COUNT, run_id)}


async def save_progress(
    conn: asyncpg.Connection, run_id: UUID, counts: dict[str, int], status: str, *, dirty: bool
) -> None:
    """Save counts and status. `dirty`: count again soon."""
    await conn.execute(SAVE, run_id, counts, status, dirty)


async def skip_pending(conn: asyncpg.Connection, run_id: UUID, limit: int) -> None:
    """Skip pending deliveries of a cancelled run that have no message yet."""
    await conn.execute(SKIP_PENDING, run_id, limit)


async def lock_pending_with_message(conn: asyncpg.Connection, run_id: UUID, limit: int) -> list[UUID]:
    """Lock pending deliveries with a message: they were postponed after a claim."""
    return [row["id"] for row in await conn.fetch(LOCK_PENDING_WITH_MESSAGE, run_id, limit)]
