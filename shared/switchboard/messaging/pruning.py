"""The inbox forgets after 30 days, idempotency keys after 24 hours, in small bites, by the relay's holder."""

from __future__ import annotations

import asyncpg
import structlog

from switchboard.runtime.database import Database
from switchboard.runtime.lease import Lease
from switchboard.runtime.loops import Stop
from switchboard.runtime.outage import Outage

BITE = 5_000
EVERY_SECONDS = 600.0

STATEMENTS = (
    """
    delete from inbox where ctid = any(array(
        select ctid from inbox where handled_at < clock_timestamp() - interval '30 days' limit $1))
    """,
    """
    delete from idempotency_keys where ctid = any(array(
        select ctid from idempotency_keys where created_at < clock_timestamp() - interval '24 hours' limit $1))
    """,
)

log = structlog.get_logger(__name__)


async def prune(conn: asyncpg.Connection) -> int:
    """One bite of each table. Returns the rows removed by the largest."""
    return max([int((await conn.execute(statement, BITE)).split()[-1]) for statement in STATEMENTS])


async def prune_forever(database: Database, lease: Lease, stop: Stop) -> None:
    while not await stop.sleep(EVERY_SECONDS):
        try:
            while lease.held() and not stop.is_set():
                async with database.connection() as conn:
                    if await prune(conn) < BITE:
                        break
        except Outage as outage:
            log.info("pruning_waits", reason=str(outage))
