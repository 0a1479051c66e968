"""The firing loop: the leader sleeps until the next due time, or until an earlier one is planned."""

import structlog

from scheduler.actions.planning import LONGEST_SLEEP, SCHEDULES
from scheduler.store import claims
from scheduler.workers.firing import Firer
from switchboard.runtime.background import Stop, Wakeup
from switchboard.runtime.unavailable import Unavailable

AFTER_OUTAGE = 0.5
SHORTEST_SLEEP = 0.001

log = structlog.get_logger(__name__)


class FiringLoop:
    """Runs on every instance. Only the leader fires; followers wait for leadership."""

    def __init__(self, firer: Firer) -> None:
        self._firer = firer
        self._wakeup = Wakeup()
        firer.database.on_notify(SCHEDULES, self._wakeup.set)
        firer.lease.on_change(self._wakeup.set)

    async def run(self, stop: Stop) -> None:
        lease, metrics = self._firer.lease, self._firer.metrics
        while not stop.is_set():
            leading = lease.held()
            metrics.leading(leading, lease.term)
            await self._wakeup.wait(stop, await self._fire() if leading else LONGEST_SLEEP)
        metrics.leading(False, None)

    async def _fire(self) -> float:
        """Fire all due schedules. Returns the seconds until the next look."""
        try:
            await self._firer.fire_due()
            async with self._firer.database.connection() as conn:
                next_due = await claims.find_next_due(conn)
        except Unavailable as error:
            log.warning("firing_postponed", reason=str(error))
            return AFTER_OUTAGE
        if next_due is None:
            return LONGEST_SLEEP
        return min(max((next_due - self._firer.clock.now()).total_seconds(), SHORTEST_SLEEP), LONGEST_SLEEP)
