"""Whether time moves: who leads, and how late the longest due occurrence is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from scheduler.clock import Clock
from scheduler.metrics import SchedulerMetrics
from scheduler.store import claims
from switchboard.runtime.database import Database

LEASE = "scheduler"
TOO_LATE = timedelta(seconds=10)


class Stalled(Exception):
    """Something due is not being fired."""


@dataclass(frozen=True)
class Timekeeping:
    """Checks for `/health`.

    None of them makes an instance unready: its HTTP interface plans without a leader too.
    """

    database: Database
    clock: Clock
    metrics: SchedulerMetrics

    async def check_leader(self) -> None:
        """Raises `Stalled` when nobody leads."""
        async with self.database.connection() as conn:
            leader = await claims.find_leader(conn, LEASE)
        if leader is None:
            raise Stalled("nobody leads")
        if not leader.valid:
            raise Stalled(f"nobody leads; {leader.holder} did last")

    async def check_lateness(self) -> None:
        """Raises `Stalled` when the longest due occurrence is late."""
        async with self.database.connection() as conn:
            due_at = await claims.find_next_due(conn)
        late = max(self.clock.now() - due_at, timedelta()) if due_at is not None else timedelta()
        self.metrics.overdue(late.total_seconds())
        if late > TOO_LATE:
            raise Stalled(f"an occurrence has been due for {late.total_seconds():.0f} s")
