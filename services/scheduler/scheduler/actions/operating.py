"""What operators do with any schedule, whosever it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from scheduler.actions.wakeup import notify_leader
from scheduler.domain.kinds import trial
from scheduler.domain.schedules import Schedule
from scheduler.store import schedules
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.runtime.refusals import Conflict


class NothingPlanned(Conflict):
    """Nothing of it is planned any more."""

    code = "nothing_planned"


class AuthsToSay(Conflict):
    """A trial ends when auth says: its owner moves that by `PATCH /tenant`."""

    code = "not_movable"


async def run_now(work: Work, now: datetime, schedule_id: UUID) -> Schedule | None:
    """Make it due now, held or not. Raises `NothingPlanned`: what has run its course isn't begun anew this way; or
    `AuthsToSay` for a trial's timer, which is good for its own time only.
    """
    found = await _lock_planned(work, schedule_id)
    if found is not None and found.kind == trial.KIND:
        raise AuthsToSay
    return found and await _save(work, replace(found.due_once_more(now), held=False, trouble=None), now)


async def pause(work: Work, now: datetime, schedule_id: UUID) -> Schedule | None:
    """Nothing of it fires until it is resumed. Raises `NothingPlanned`."""
    found = await _lock_planned(work, schedule_id)
    return found and await _save(work, replace(found, held=True, revision=found.revision + 1), now)


async def resume(work: Work, now: datetime, schedule_id: UUID) -> Schedule | None:
    """Let it go on, also one that was held because it could not be fired. Raises `NothingPlanned`."""
    found = await _lock_planned(work, schedule_id)
    changed = found and replace(found, held=False, trouble=None, revision=found.revision + 1)
    return changed and await _save(work, changed, now)


async def _lock_planned(work: Work, schedule_id: UUID) -> Schedule | None:
    found = await schedules.find_any(work.conn, schedule_id, lock=True)
    if found is not None and found.next_at is None and found.extra_at is None:
        raise NothingPlanned
    return found


async def _save(work: Work, schedule: Schedule, now: datetime) -> Schedule:
    saved = await schedules.save_schedule(work.conn, schedule, now)
    notify_leader(work, saved.due_at, now)
    return saved
