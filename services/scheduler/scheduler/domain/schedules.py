"""Schedules and their occurrences: one mechanism for every kind, with misfire policy and lateness."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from heapq import merge
from itertools import groupby
from typing import Any
from uuid import UUID, uuid5

from scheduler.domain.recurrence.occurrences import Recurrence
from switchboard.runtime.time_zones import TIME_ZONE_RULES, to_instant, to_local

TICK = timedelta(microseconds=1)
NEVER = datetime.min.replace(tzinfo=UTC)
GRACE = timedelta(minutes=1)
LATE_AFTER = timedelta(seconds=5)


class Misfire(StrEnum):
    """The misfire policy: what happens to an occurrence that could not be fired in time."""

    FIRE_LATE = "fire_late"
    SKIP = "skip"


@dataclass(frozen=True)
class Schedule:
    """Something that is due, once or as a series.

    `next_at` is the next occurrence of the plan. `extra_at` is one occurrence in addition to the plan: a snooze or a
    run-now. `planned_at` is shown to the owner: the next due time or, when there is none, the last one. `held`: an
    operator stopped it, or it could not be fired. `revision` rises with every change by a user, so that an occurrence
    planned before the change can't fire any more. `time_zone_rules`: the edition by which `next_at` was planned.
    """

    id: UUID
    kind: str
    status: str
    next_at: datetime | None
    planned_at: datetime
    tenant_id: UUID | None = None
    user_id: UUID | None = None
    extra_at: datetime | None = None
    held: bool = False
    revision: int = 1
    recurrence: Recurrence | None = None
    misfire: Misfire = Misfire.FIRE_LATE
    grace: timedelta = GRACE
    payload: dict[str, Any] = field(default_factory=dict)
    late: bool = False  # whether the last firing was late
    fired_at: datetime | None = None
    trouble: str | None = None  # why it could not be fired
    time_zone_rules: str = TIME_ZONE_RULES
    created_at: datetime = NEVER
    updated_at: datetime = NEVER

    @property
    def due_at(self) -> datetime | None:
        """The next due time; None while it is held or nothing is planned."""
        if self.held:
            return None
        if self.next_at is None or self.extra_at is None:
            return self.next_at or self.extra_at
        return min(self.next_at, self.extra_at)

    def occurrences_from(self, since: datetime) -> Iterator[datetime]:
        """The due times at or after `since`. A finished schedule has one: the time at which it was last due."""
        if self.next_at is None and self.extra_at is None:
            return iter([self.planned_at] if self.planned_at >= since else [])
        named = sorted({at for at in (self.next_at, self.extra_at) if at is not None and at >= since})
        series: Iterator[datetime] = iter(())
        if self.recurrence is not None and self.next_at is not None:
            series = self.recurrence.following(max(self.next_at, since - TICK))
        return (at for at, _ in groupby(merge(named, series)))

    def replanned(self, at: datetime, recurrence: Recurrence | None) -> "Schedule":
        """The schedule with a new plan: due at `at` and, with a `recurrence`, from then on."""
        return replace(
            self,
            next_at=at,
            extra_at=None,
            planned_at=at,
            recurrence=recurrence,
            revision=self.revision + 1,
            time_zone_rules=TIME_ZONE_RULES,
        )

    def under_current_rules(self) -> "Schedule":
        """The schedule with its next local time planned by the zone rules in use, if it was by an earlier edition."""
        if self.recurrence is None or self.next_at is None or self.time_zone_rules >= TIME_ZONE_RULES:
            return self
        zone, local = self.recurrence.zone, self.recurrence.local_near(self.next_at)
        meant_so = to_local(self.next_at, zone).replace(microsecond=0) == local  # if twice, the user chose which
        at = self.next_at if meant_so else to_instant(local, zone)
        planned = replace(self, next_at=at, time_zone_rules=TIME_ZONE_RULES)
        return replace(planned, planned_at=planned._soonest(or_else=at))

    def due_once_more(self, at: datetime) -> "Schedule":
        """The schedule with one more occurrence at `at`. A single occurrence that has not fired moves there instead."""
        single = self.recurrence is None
        moved = replace(self, next_at=at, extra_at=None) if single else replace(self, extra_at=at)
        return replace(moved, planned_at=moved._soonest(or_else=at), revision=self.revision + 1)

    def without_plan(self) -> "Schedule":
        """The schedule with nothing planned any more."""
        return replace(self, next_at=None, extra_at=None, revision=self.revision + 1)

    def _soonest(self, *, or_else: datetime) -> datetime:
        return min((at for at in (self.next_at, self.extra_at) if at is not None), default=or_else)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time at which a schedule is due. Each attempt to fire it uses the same `command_id`."""

    at: datetime
    now: datetime
    late: bool
    skipped: bool
    command_id: UUID
    is_last: bool


@dataclass(frozen=True, slots=True)
class Remainder:
    """The rest of a schedule's plan after an occurrence, as fields of `Schedule`."""

    next_at: datetime | None
    extra_at: datetime | None
    planned_at: datetime


def come_due(schedule: Schedule, now: datetime, *, late_after: timedelta = LATE_AFTER) -> tuple[Occurrence, Remainder]:
    """The occurrence that is due at `now`, and the rest of the plan.

    The missed occurrences of a series are merged into one, the latest. It counts as late if the first of them is. The
    misfire policy `skip` skips it if the latest of them is past the grace period.
    """
    due_at, extra_at = schedule.due_at, schedule.extra_at
    assert due_at is not None
    assert due_at <= now
    at, next_at = _advance(schedule, now)
    if extra_at is not None and extra_at <= now:
        at = extra_at if at is None else max(at, extra_at)
        extra_at = None
    assert at is not None
    soonest = min((time for time in (next_at, extra_at) if time is not None), default=None)
    occurrence = Occurrence(
        at=at,
        now=now,
        late=now - due_at > late_after,
        skipped=schedule.misfire is Misfire.SKIP and now - at > schedule.grace,
        command_id=command_id(schedule, at),
        is_last=soonest is None,
    )
    return occurrence, Remainder(next_at, extra_at, soonest or at)


def command_id(schedule: Schedule, at: datetime) -> UUID:
    """The idempotent id of an occurrence's command, derived from schedule, revision and due time."""
    return uuid5(schedule.id, f"{schedule.revision}/{at.astimezone(UTC).isoformat()}")


def _advance(schedule: Schedule, now: datetime) -> tuple[datetime | None, datetime | None]:
    """The occurrence of the plan that is due, if any, and the next one after it."""
    if schedule.next_at is None or schedule.next_at > now:
        return None, schedule.next_at
    if schedule.recurrence is None:
        return schedule.next_at, None
    latest = schedule.recurrence.latest(schedule.next_at, now)
    return latest, schedule.recurrence.next_after(latest)
