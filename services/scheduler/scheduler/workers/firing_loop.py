"""When to look: the leader sleeps until the next due time, or until somebody plans a sooner one."""

from __future__ import annotations

import asyncio

import structlog

from scheduler.actions.wakeup import LONGEST_SLEEP, SCHEDULES
from scheduler.metrics import SchedulerMetrics
from scheduler.store import claims
from scheduler.workers.firing import Leader
from switchboard.postgres.database import Database
from switchboard.postgres.leader_lease import LeaderLease
from switchboard.runtime.background import Stop
from switchboard.runtime.unavailable import Unavailable

FOLLOWING = 0.2  # between two looks at our own lease, which costs nothing
AFTER_OUTAGE = 0.5
SHORTEST_SLEEP = 0.001

log = structlog.get_logger(__name__)


class Clockwork:
    """A loop. Followers run it too, and only wait."""

    def __init__(self, database: Database, lease: LeaderLease, leader: Leader, metrics: SchedulerMetrics) -> None:
        self._database = database
        self._lease = lease
        self._leader = leader
        self._metrics = metrics
        self._woken = asyncio.Event()
        database.on_notify(SCHEDULES, self._woken.set)

    async def run(self, stop: Stop) -> None:
        while not stop.is_set():
            self._woken.clear()  # a follower's too: it would not rest again
            leading = self._lease.held()
            self._metrics.leading(leading, self._lease.term)
            await self._rest(stop, await self._work() if leading else FOLLOWING)
        self._metrics.leading(False, None)

    async def _work(self) -> float:
        """Fire what is due. Returns for how many seconds there is nothing more to do."""
        try:
            await self._leader.fire_due()
            async with self._database.connection() as conn:
                next_due = await claims.find_next_due(conn)
        except Unavailable as outage:
            log.warning("clockwork_waits", reason=str(outage))
            return AFTER_OUTAGE
        if next_due is None:
            return LONGEST_SLEEP
        return min(max((next_due - self._leader.clock.now()).total_seconds(), SHORTEST_SLEEP), LONGEST_SLEEP)

    async def _rest(self, stop: Stop, seconds: float) -> None:
        """For so long, or until a sooner time is planned, the lease won or lost, or the end."""
        waits = {asyncio.ensure_future(wait) for wait in (stop.wait(), self._woken.wait(), self._lease.changed.wait())}
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        self._lease.changed.clear()
