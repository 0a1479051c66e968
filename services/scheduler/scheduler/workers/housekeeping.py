"""At each start, the chores are planned as they are declared."""

from __future__ import annotations

import structlog

from scheduler.actions.housekeeping import keep_house
from scheduler.domain.clock import Clock
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.postgres.database import Database
from switchboard.runtime.background import Backoff, Loop, Stop
from switchboard.runtime.unavailable import Unavailable

log = structlog.get_logger(__name__)


def housekeeping(database: Database, clock: Clock) -> Loop:
    """A loop that has nothing more to do once that is done."""

    async def plan_chores(stop: Stop) -> None:
        backoff = Backoff()
        while not stop.is_set():
            try:
                async with open_work(database, tenant_id=None) as work:
                    await keep_house(work, clock.now())
                break
            except Unavailable as outage:
                log.info("chores_postponed", reason=str(outage))
                await stop.sleep(backoff.pause())
        await stop.wait()

    return plan_chores
