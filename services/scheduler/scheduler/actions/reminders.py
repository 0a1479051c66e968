"""Reminders: create, change, snooze, cancel."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from scheduler.actions.planning import (
    add_plan,
    check_time,
    invalid,
    may_see,
    owner_of,
    recurrence_of,
    save_plan,
    time_zone_of,
)
from scheduler.domain.kinds.reminder import CANCELLED, FIRED, KIND, SCHEDULED, SKIPPED, created, updated
from scheduler.domain.refusals import AlreadyFired
from scheduler.domain.schedules import Misfire, Schedule
from scheduler.store import schedules
from switchboard.http.identity import Identity
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.replica.user_directory import TenantUsers
from switchboard.runtime.refusals import NotFound

OVER = (FIRED, SKIPPED)
REQUIRED = ("lead_id", "note", "remind_at", "user_id", "time_zone", "misfire")


@dataclass(frozen=True)
class ReminderPlan:
    """A reminder to create. Without `user_id` it is the caller's; a series without `time_zone` keeps the user's."""

    lead_id: str
    note: str
    remind_at: datetime
    user_id: UUID | None = None
    recurrence: str | None = None
    time_zone: str | None = None
    misfire: Misfire = Misfire.FIRE_LATE


async def create_reminder(
    work: Work, caller: Identity, users: TenantUsers, now: datetime, plan: ReminderPlan, *, id: UUID | None = None
) -> Schedule:
    """Create a reminder. `id`: that of an imported one."""
    check_time("remind_at", plan.remind_at, now)
    owner = await owner_of(users, caller, plan.user_id)
    zone = await time_zone_of(users, plan.time_zone, owner, of_series=plan.recurrence is not None)
    reminder = Schedule(
        id=id or uuid7(),
        kind=KIND,
        status=SCHEDULED,
        next_at=plan.remind_at,
        planned_at=plan.remind_at,
        tenant_id=caller.tenant_id,
        user_id=owner,
        recurrence=recurrence_of(plan.recurrence, zone, plan.remind_at),
        misfire=plan.misfire,
        payload={"lead_id": plan.lead_id, "note": plan.note, "time_zone": zone},
        created_at=now,
        updated_at=now,
    )
    return await add_plan(work, reminder, now, created(reminder))


async def change_reminder(
    work: Work, caller: Identity, users: TenantUsers, now: datetime, reminder_id: UUID, changes: dict[str, Any]
) -> Schedule:
    """Change the fields in `changes`. A new time, recurrence or zone makes a new plan.

    A reminder that has fired needs a new time.
    """
    reminder = await _lock(work, caller, reminder_id)
    if reminder.status in OVER and "remind_at" not in changes:
        raise AlreadyFired
    for name in REQUIRED:
        if name in changes and changes[name] is None:
            raise invalid(name, "can be changed, but not removed")
    owner = await owner_of(users, caller, changes["user_id"]) if "user_id" in changes else reminder.user_id
    payload = {**reminder.payload, **{name: changes[name] for name in {"lead_id", "note"} & changes.keys()}}
    changed = replace(
        reminder,
        user_id=owner,
        payload=payload,
        misfire=changes.get("misfire", reminder.misfire),
        revision=reminder.revision + 1,
    )
    if {"remind_at", "recurrence", "time_zone"} & changes.keys():
        changed = await _replanned(users, changed, changes, now)
    return await save_plan(work, changed, now, updated(changed))


async def snooze_reminder(work: Work, caller: Identity, now: datetime, reminder_id: UUID, until: datetime) -> Schedule:
    """Remind once more at `until`.

    A series keeps its plan. A single reminder that has not fired yet waits until then.
    """
    check_time("until", until, now)
    reminder = await _lock(work, caller, reminder_id)
    snoozed = replace(reminder.due_once_more(until), status=SCHEDULED)
    return await save_plan(work, snoozed, now, updated(snoozed))


async def cancel_reminder(work: Work, caller: Identity, now: datetime, reminder_id: UUID) -> None:
    """Cancel a reminder; a second time changes nothing. Raises `AlreadyFired` when nothing more is planned."""
    reminder = await _lock_any(work, caller, reminder_id)
    if reminder.status == CANCELLED:
        return
    if reminder.status in OVER:
        raise AlreadyFired
    cancelled = replace(reminder.without_plan(), status=CANCELLED)
    await save_plan(work, cancelled, now, updated(cancelled))


async def _replanned(users: TenantUsers, reminder: Schedule, changes: dict[str, Any], now: datetime) -> Schedule:
    # Not `planned_at`, which a snooze may have moved: the series keeps its time.
    at = changes.get("remind_at") or reminder.next_at or reminder.planned_at
    if "remind_at" in changes:
        check_time("remind_at", at, now)
    assert reminder.user_id is not None
    series = reminder.recurrence
    rule = changes.get("recurrence", series and series.rule)
    zone = await time_zone_of(
        users,
        changes.get("time_zone", reminder.payload.get("time_zone")),
        reminder.user_id,
        of_series=rule is not None,
    )
    planned = replace(reminder.replanned(at, recurrence_of(rule, zone, at)), revision=reminder.revision)
    return replace(planned, status=SCHEDULED, payload={**reminder.payload, "time_zone": zone})


async def _lock(work: Work, caller: Identity, reminder_id: UUID) -> Schedule:
    reminder = await _lock_any(work, caller, reminder_id)
    if reminder.status == CANCELLED:
        raise NotFound
    return reminder


async def _lock_any(work: Work, caller: Identity, reminder_id: UUID) -> Schedule:
    reminder = await schedules.lock_schedule(work.conn, KIND, caller.tenant_id, reminder_id)
    if not may_see(caller, reminder.user_id):
        raise NotFound
    return reminder
