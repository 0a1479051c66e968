"""Pruning of the inbox: the outbox relay's leader deletes rows after 30 days, in small batches."""

import asyncpg
import structlog

from switchboard.postgres.database import Database
from switchboard.postgres.leader_lease import LeaderLease
from switchboard.runtime.background import Stop
from switchboard.runtime.unavailable import Unavailable

BATCH = 5_000
INTERVAL_SECONDS = 600.0

DROP_OLD = """
delete from inbox where ctid = any(array(
    select ctid from inbox where handled_at < clock_timestamp() - interval '30 days' limit $1))
"""

log = structlog.get_logger(__name__)


async def prune(conn: asyncpg.Connection) -> int:
    """Delete one batch of old rows. Returns how many."""
    return int((await conn.execute(DROP_OLD, BATCH)).split()[-1])


async def keep_pruning(database: Database, lease: LeaderLease, stop: Stop) -> None:
    """A loop that prunes while this process is the leader."""
    while not await stop.sleep(INTERVAL_SECONDS):
        try:
            while lease.held() and not stop.is_set():
                async with database.connection() as conn:
                    if await prune(conn) < BATCH:
                        break
        except Unavailable as error:
            log.info("pruning_waits", reason=str(error))
