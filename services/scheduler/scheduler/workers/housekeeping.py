"""Plan the housekeeping tasks once, at the start of an instance."""

from dataclasses import dataclass

import structlog

from scheduler.actions.housekeeping import plan_housekeeping
from scheduler.domain.clock import Clock
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.postgres.database import Database
from switchboard.runtime.background import Backoff, Stop
from switchboard.runtime.unavailable import Unavailable

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class HousekeepingPlanner:
    """Tries until the database is available, then waits for the end."""

    database: Database
    clock: Clock

    async def run(self, stop: Stop) -> None:
        backoff = Backoff()
        while not stop.is_set():
            try:
                async with open_work(self.database, tenant_id=None) as work:
                    await plan_housekeeping(work, self.clock.now())
                break
            except Unavailable as error:
                log.info("housekeeping_postponed", reason=str(error))
                await stop.sleep(backoff.pause())
        await stop.wait()
