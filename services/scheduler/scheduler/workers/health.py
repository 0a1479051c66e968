"""Whether time moves: who leads since when, what is due next, how late the longest due occurrence is."""

from __future__ import annotations

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

LEASE = "scheduler"
TOO_LATE = timedelta(seconds=10)
LOOK_SECONDS = 2.0


class Stalled(Exception):
    """Something due is not being fired."""


@dataclass(frozen=True)
class Seen:
    """Time as it stood at `at`."""

    at: datetime
    leader: Leadership | None
    next_due: datetime | None

    @property
    def late(self) -> timedelta:
        """By how much the longest due occurrence is overdue."""
        return max(self.at - self.next_due, timedelta()) if self.next_due is not None else timedelta()


class Timekeeping:
    """Looks again and again, on every instance, leading or not; checks and facts for `/health`.

    None of the checks makes an instance unready: its HTTP interface plans without a leader too.
    """

    def __init__(self, database: Database, clock: Clock, metrics: SchedulerMetrics) -> None:
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._seen: Seen | None = None

    def report_to(self, health: Health) -> None:
        """Show the checks, and the facts as `schedule`."""
        health.add("leader", self.check_leader, ready=False)
        health.add("lateness", self.check_lateness, ready=False)
        health.add_details("schedule", self.facts)

    async def look(self) -> Seen:
        """Ask the database."""
        async with self._database.connection() as conn:
            seen = Seen(self._clock.now(), await claims.find_leader(conn, LEASE), await claims.find_next_due(conn))
        led_since = seen.leader.since if seen.leader is not None and seen.leader.valid else None
        self._metrics.seen(led_since, seen.next_due, seen.late.total_seconds())
        self._seen = seen
        return seen

    async def check_leader(self) -> None:
        """Raises `Stalled` when nobody leads."""
        leader = (await self.look()).leader
        if leader is None:
            raise Stalled("nobody leads")
        if not leader.valid:
            raise Stalled(f"nobody leads; {leader.holder} did last")

    async def check_lateness(self) -> None:
        """Raises `Stalled` when the longest due occurrence is late."""
        late = (await self.look()).late
        if late > TOO_LATE:
            raise Stalled(f"an occurrence has been due for {late.total_seconds():.0f} s")

    def facts(self) -> Mapping[str, Any]:
        """As last seen. `leader` is the instance's name and a mark of its run; null when nobody leads."""
        seen = self._seen
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
