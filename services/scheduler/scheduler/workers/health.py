"""Health of firing: the leader and its term, the next due time, and the lateness of the longest due occurrence."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from scheduler.domain.clock import Clock
from scheduler.metrics import SchedulerMetrics
from scheduler.store import claims
from scheduler.store.claims import Leadership
from switchboard.postgres.database import Database
from switchboard.runtime.health import Health

TOO_LATE = timedelta(seconds=10)
OBSERVE_SECONDS = 15.0  # for `/readyz`, which shows the last observation; `/health` and `/metrics` make one


class Stalled(Exception):
    """A due occurrence is not fired."""


@dataclass(frozen=True)
class Observation:
    """The state of firing at the time `at`."""

    at: datetime
    leader: Leadership | None
    next_due: datetime | None

    @property
    def late(self) -> timedelta:
        """How long the longest due occurrence has been overdue."""
        return max(self.at - self.next_due, timedelta()) if self.next_due is not None else timedelta()


class FiringHealth:
    """Health checks and details of firing. Every instance has them, leader or not.

    No check makes an instance unready: its HTTP API works without a leader too.
    """

    def __init__(self, database: Database, clock: Clock, metrics: SchedulerMetrics) -> None:
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._last: Observation | None = None

    def add_to(self, health: Health) -> None:
        """Add the checks, and the details as `schedule`."""
        health.add("leader", self.check_leader, ready=False)
        health.add("lateness", self.check_lateness, ready=False)
        health.add_details("schedule", self.details)

    async def observe(self) -> Observation:
        """Read the state of firing from the database, and set the metrics."""
        async with self._database.connection() as conn:
            now = self._clock.now()
            leader, next_due = await claims.find_leader(conn), await claims.find_next_due(conn)
        observed = Observation(now, leader, next_due)
        led_since = leader.since if leader is not None and leader.valid else None
        self._metrics.observed(led_since, next_due, observed.late.total_seconds())
        self._last = observed
        return observed

    async def check_leader(self) -> None:
        """Raises `Stalled` if no instance is the leader."""
        leader = (await self.observe()).leader
        if leader is None:
            raise Stalled("no instance is the leader")
        if not leader.valid:
            raise Stalled(f"no instance is the leader; the last one was {leader.holder}")

    async def check_lateness(self) -> None:
        """Raises `Stalled` if the longest due occurrence is too late."""
        late = (await self.observe()).late
        if late > TOO_LATE:
            raise Stalled(f"an occurrence has been due for {late.total_seconds():.0f} s")

    def details(self) -> Mapping[str, Any]:
        """The last observation. `leader`: the instance's name and an id of its run; null if there is none."""
        seen = self._last
        if seen is None:
            return {}
        leader = seen.leader if seen.leader is not None and seen.leader.valid else None
        return {
            "leader": leader and leader.holder,
            "term": leader and leader.term,
            "since": leader and _text(leader.since),
            "next_due": _text(seen.next_due),
            "late_seconds": round(seen.late.total_seconds(), 3),
            "seen_at": _text(seen.at),
        }


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
