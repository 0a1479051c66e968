"""Operators' actions on any schedule of any tenant: run now, pause, resume."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from scheduler.actions.planning import save_plan
from scheduler.domain.kinds import trial
from scheduler.domain.schedules import Schedule
from scheduler.store import schedules
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.runtime.refusals import Conflict


class NothingPlanned(Conflict):
    """Nothing of this schedule is planned any more."""

    code = "nothing_planned"


class TrialNotMovable(Conflict):
    """A trial ends at the time that auth has stored. Its owner changes that by `PATCH /tenant`."""

    code = "not_movable"


async def run_now(work: Work, now: datetime, schedule_id: UUID) -> Schedule | None:
    """Make a schedule due now, held or not.

    Raises `NothingPlanned` for a finished one, and `TrialNotMovable` for a trial: its timer is valid for one time only.
    """
    found = await _lock_planned(work, schedule_id)
    if found is not None and found.kind == trial.KIND:
        raise TrialNotMovable
    return found and await save_plan(work, replace(found.due_once_more(now), held=False, trouble=None), now)


async def pause(work: Work, now: datetime, schedule_id: UUID) -> Schedule | None:
    """Hold a schedule: nothing of it fires until it is resumed. Raises `NothingPlanned`."""
    found = await _lock_planned(work, schedule_id)
    return found and await save_plan(work, replace(found, held=True, revision=found.revision + 1), now)


async def resume(work: Work, now: datetime, schedule_id: UUID) -> Schedule | None:
    """Release a held schedule, also one that was held because it could not be fired. Raises `NothingPlanned`."""
    found = await _lock_planned(work, schedule_id)
    changed = found and replace(found, held=False, trouble=None, revision=found.revision + 1)
    return changed and await save_plan(work, changed, now)


async def _lock_planned(work: Work, schedule_id: UUID) -> Schedule | None:
    found = await schedules.find_any(work.conn, schedule_id, lock=True)
    if found is not None and found.next_at is None and found.extra_at is None:
        raise NothingPlanned
    return found
