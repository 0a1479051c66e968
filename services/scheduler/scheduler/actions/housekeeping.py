"""Plan the housekeeping tasks as schedules, at each start of an instance."""

from dataclasses import replace
from datetime import UTC, datetime

from scheduler.actions.planning import SCHEDULES
from scheduler.domain.kinds.housekeeping import KIND, SCHEDULED, TASK, TASKS, HousekeepingTask
from scheduler.domain.recurrence.occurrences import Recurrence
from scheduler.domain.schedules import Schedule
from scheduler.store import schedules
from switchboard.messaging.outbox.unit_of_work import Work

MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)


async def plan_housekeeping(work: Work, now: datetime) -> None:
    """Plan each declared task, drop schedules of tasks that are no longer declared, and make `at_start` tasks due."""
    await schedules.lock_kind(work.conn, KIND)
    await schedules.drop_others(work.conn, KIND, [task.id for task in TASKS])
    for task in TASKS:
        await _plan(work, task, now)
    work.notify(SCHEDULES)


async def _plan(work: Work, task: HousekeepingTask, now: datetime) -> None:
    known = await schedules.find_any(work.conn, task.id, lock=True)
    series = Recurrence(task.rule, "UTC", MIDNIGHT.replace(tzinfo=None))
    if known is None:
        await schedules.add_schedule(work.conn, _new(task, series, now))
        return
    wanted = known
    if known.recurrence != series:
        wanted = known.replanned(series.next_after(now) or now, series)
    if task.at_start and wanted.extra_at is None:
        wanted = replace(wanted, extra_at=now, revision=wanted.revision + 1)
    if wanted != known:
        await schedules.save_schedule(work.conn, wanted, now)


def _new(task: HousekeepingTask, series: Recurrence, now: datetime) -> Schedule:
    next_at = series.next_after(now) or now
    return Schedule(
        id=task.id,
        kind=KIND,
        status=SCHEDULED,
        next_at=next_at,
        extra_at=now if task.at_start else None,
        planned_at=next_at,
        recurrence=series,
        payload={TASK: task.name},
        created_at=now,
        updated_at=now,
    )
