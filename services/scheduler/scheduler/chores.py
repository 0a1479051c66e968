"""At each start, the chores are planned as they are declared."""

from __future__ import annotations

import structlog

from scheduler.actions.housekeeping import keep_house
from scheduler.clock import Clock
from switchboard.messaging.work import open_work
from switchboard.runtime.database import Database
from switchboard.runtime.loops import Backoff, Loop, Stop
from switchboard.runtime.outage import Outage

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
            except Outage as outage:
                log.info("chores_postponed", reason=str(outage))
                await stop.sleep(backoff.pause())
        await stop.wait()

    return plan_chores
