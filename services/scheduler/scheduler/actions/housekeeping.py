"""The table of chores, made schedules at each start."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from scheduler.actions.wakeup import SCHEDULES
from scheduler.domain.kinds.housekeeping import CHORES, KIND, SCHEDULED, Chore
from scheduler.domain.recurrence.occurrences import Recurrence
from scheduler.domain.schedules import Schedule
from scheduler.store import schedules
from switchboard.messaging.outbox.unit_of_work import Work

MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)


async def keep_house(work: Work, now: datetime) -> None:
    """Plan every chore as it is declared, drop those that no longer are, and ask for what is due at a start."""
    await schedules.lock_kind(work.conn, KIND)
    await schedules.drop_others(work.conn, KIND, [chore.id for chore in CHORES])
    for chore in CHORES:
        await _plan(work, chore, now)
    work.notify(SCHEDULES)


async def _plan(work: Work, chore: Chore, now: datetime) -> None:
    known = await schedules.find_any(work.conn, chore.id, lock=True)
    series = Recurrence(chore.rule, "UTC", MIDNIGHT.replace(tzinfo=None))
    if known is None:
        await schedules.add_schedule(work.conn, _new(chore, series, now))
        return
    wanted = known
    if known.recurrence != series:
        wanted = known.planned_anew(series.next_after(now) or now, series)
    if chore.at_start and wanted.extra_at is None:
        wanted = replace(wanted, extra_at=now, revision=wanted.revision + 1)
    if wanted != known:
        await schedules.save_schedule(work.conn, wanted, now)


def _new(chore: Chore, series: Recurrence, now: datetime) -> Schedule:
    next_at = series.next_after(now) or now
    return Schedule(
        id=chore.id,
        kind=KIND,
        status=SCHEDULED,
        next_at=next_at,
        extra_at=now if chore.at_start else None,
        planned_at=next_at,
        recurrence=series,
        payload={"chore": chore.name},
        created_at=now,
        updated_at=now,
    )
