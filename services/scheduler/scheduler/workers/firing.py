"""Fire due schedules while this instance is the leader.

Leader election by lease makes one leader likely. The claim, which checks the fencing term, makes a second firing of an
occurrence impossible. When in doubt, an instance does not act as leader.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

import asyncpg
import structlog

from scheduler.domain.clock import Clock
from scheduler.domain.kinds.firing import Firing, Kind
from scheduler.domain.schedules import LATE_AFTER, Occurrence, Schedule, come_due
from scheduler.metrics import SchedulerMetrics
from scheduler.store import claims
from scheduler.store.claims import Settlement
from scheduler.store.schedules import plan_again
from switchboard.messaging.outbox.rows import OutboxRow, row_of
from switchboard.messaging.outbox.unit_of_work import OUTBOX
from switchboard.postgres.database import Database
from switchboard.postgres.leader_lease import LeaderLease
from switchboard.runtime.time_slice import TimeSlice

BATCH = 500
BATCH_SECONDS = 0.25  # of computation before what is settled is claimed
LOCKED_SECONDS = 0.02  # to wait for rows that other transactions are changing

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Firer:
    """Fires schedules that are due at the clock's time, as long as it holds the lease."""

    database: Database
    lease: LeaderLease
    clock: Clock
    kinds: Mapping[str, Kind]
    metrics: SchedulerMetrics
    late_after: timedelta = LATE_AFTER

    async def fire_due(self) -> int:
        """Fire all due schedules. Returns how many were fired or skipped."""
        fired = 0
        while self.lease.held():
            async with self.database.connection() as conn:
                due = await claims.list_due(conn, self.clock.now(), BATCH)
                if not due:
                    break
                claimed = await self._fire(conn, due)
            fired += claimed
            if claimed == 0:
                await asyncio.sleep(LOCKED_SECONDS)
        return fired

    async def _fire(self, conn: asyncpg.Connection, due: Sequence[Schedule]) -> int:
        now = self.clock.now()
        settlements = await self._settle_all(conn, due, now)
        term = self.lease.term
        if term is None or not self.lease.held():
            return 0
        claimed = await claims.claim(conn, (self.lease.name, self.lease.holder, term), settlements, now)
        if claimed:
            self.database.notify(OUTBOX)
        for settlement in settlements:
            if settlement.read.id in claimed:
                self._observe(settlement, now)
        return len(claimed)

    async def _settle_all(self, conn: asyncpg.Connection, due: Sequence[Schedule], now: datetime) -> list[Settlement]:
        """Settle due schedules in time slices, the first of them if all would take too long for one claim."""
        share, ends, settlements = TimeSlice(), monotonic() + BATCH_SECONDS, []
        for schedule in due:
            current = schedule.under_current_rules()
            if current is not schedule:  # it may be due at another time
                await plan_again(conn, schedule, current)
            elif settled := await self._settle(conn, schedule, now):
                settlements.append(settled)
            if monotonic() >= ends:
                break
            await share.give_way()
        return settlements

    async def _settle(self, conn: asyncpg.Connection, schedule: Schedule, now: datetime) -> Settlement | None:
        """Settle a due schedule. One that can't be fired is held for an operator, and the others continue."""
        try:
            return settle(schedule, now, self.kinds, source=self.database.service, late_after=self.late_after)
        except Exception as error:
            log.exception("schedule_held", schedule_id=str(schedule.id), kind=schedule.kind)
            self.metrics.held(schedule.kind)
            await claims.hold(conn, schedule, f"{type(error).__name__}: {error}")
            return None

    def _observe(self, settlement: Settlement, now: datetime) -> None:
        due_at = settlement.read.due_at
        assert due_at is not None
        outcome = "fired" if settlement.fired else "skipped"
        self.metrics.settled(settlement.read.kind, outcome, (now - due_at).total_seconds())


def settle(
    schedule: Schedule, now: datetime, kinds: Mapping[str, Kind], *, source: str, late_after: timedelta
) -> Settlement:
    """The state of a due schedule after its occurrence at `now`, and the messages to send."""
    occurrence, remainder = come_due(schedule, now, late_after=late_after)
    firing = kinds[schedule.kind].settle(schedule, occurrence)
    messages = tuple(_messages(schedule, occurrence, firing, source))
    fired = firing.command is not None
    return Settlement(schedule, firing.status, remainder, fired, occurrence.late, messages)


def _messages(schedule: Schedule, occurrence: Occurrence, firing: Firing, source: str) -> list[OutboxRow]:
    rows = []
    if firing.command is not None:
        command_id = occurrence.command_id
        rows.append(row_of(firing.command, source=source, tenant_id=schedule.tenant_id, id=command_id))
    rows += [row_of(event, source=source, tenant_id=schedule.tenant_id) for event in firing.events]
    return rows
