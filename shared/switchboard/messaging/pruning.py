"""The inbox forgets after 30 days, in small bites, by the relay's holder."""

from __future__ import annotations

import asyncpg
import structlog

from switchboard.postgres.database import Database
from switchboard.postgres.leader_lease import LeaderLease
from switchboard.runtime.background import Stop
from switchboard.runtime.unavailable import Unavailable

BITE = 5_000
EVERY_SECONDS = 600.0

DROP_OLD = """
delete from inbox where ctid = any(array(
    select ctid from inbox where handled_at < clock_timestamp() - interval '30 days' limit $1))
"""

log = structlog.get_logger(__name__)


async def prune(conn: asyncpg.Connection) -> int:
    """One bite. Returns how many rows it removed."""
    return int((await conn.execute(DROP_OLD, BITE)).split()[-1])


async def prune_forever(database: Database, lease: LeaderLease, stop: Stop) -> None:
    while not await stop.sleep(EVERY_SECONDS):
        try:
            while lease.held() and not stop.is_set():
                async with database.connection() as conn:
                    if await prune(conn) < BITE:
                        break
        except Unavailable as outage:
            log.info("pruning_waits", reason=str(outage))
