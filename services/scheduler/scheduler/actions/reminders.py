"""Reminders: create, change, snooze, cancel."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from scheduler.actions.planning import (
    add_plan,
    check_time,
    continued,
    invalid,
    may_see,
    owner_of,
    recurrence_of,
    save_plan,
    time_zone_of,
)
from scheduler.domain.kinds.reminder import CANCELLED, FIRED, KIND, SCHEDULED, SKIPPED, created, shows, updated
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
    begun: bool = False
    """Whether the series began earlier, at `remind_at`: it continues with its next occurrence."""


class SeriesOver(Exception):
    """All occurrences of a series that began earlier have passed."""


async def create_reminder(
    work: Work, caller: Identity, users: TenantUsers, now: datetime, plan: ReminderPlan, *, id: UUID | None = None
) -> Schedule:
    """Create a reminder. `id`: that of an imported one. Raises `SeriesOver` for a plan that has `begun`."""
    if not plan.begun:
        check_time("remind_at", plan.remind_at, now)
    owner = await owner_of(users, caller, plan.user_id)
    zone = await time_zone_of(users, plan.time_zone, owner, of_series=plan.recurrence is not None)
    series = None if plan.recurrence is None else recurrence_of(plan.recurrence, zone, plan.remind_at)
    at: datetime | None = plan.remind_at
    if plan.begun and (series is None or (at := series.next_after(now)) is None):
        raise SeriesOver
    assert at is not None
    reminder = Schedule(
        id=id or uuid7(),
        kind=KIND,
        status=SCHEDULED,
        next_at=at,
        planned_at=at,
        tenant_id=caller.tenant_id,
        user_id=owner,
        recurrence=series,
        misfire=plan.misfire,
        payload={"lead_id": plan.lead_id, "note": plan.note, "time_zone": zone},
        created_at=now,
        updated_at=now,
    )
    return await add_plan(work, reminder, now, created(reminder))


async def change_reminder(
    work: Work, caller: Identity, users: TenantUsers, now: datetime, reminder_id: UUID, changes: dict[str, Any]
) -> Schedule:
    """Change the fields in `changes`. Those with the value that the reminder shows are no change.

    A new time, recurrence or zone makes a new plan (`continued`). A reminder that has fired needs a new time.
    """
    reminder = await _lock(work, caller, reminder_id)
    for name in REQUIRED:
        if name in changes and changes[name] is None:
            raise invalid(name, "can be changed, but not removed")
    changes = {name: value for name, value in changes.items() if not shows(reminder, name, value)}
    if reminder.status in OVER and "remind_at" not in changes:
        raise AlreadyFired
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
    if "remind_at" in changes:
        check_time("remind_at", changes["remind_at"], now)
    assert reminder.user_id is not None
    rule = changes.get("recurrence", reminder.recurrence and reminder.recurrence.rule)
    zone = await time_zone_of(
        users,
        changes.get("time_zone", reminder.payload.get("time_zone")),
        reminder.user_id,
        of_series=rule is not None,
    )
    # Not `planned_at`, which a snooze may have moved: the series keeps its time.
    at = changes.get("remind_at") or reminder.next_at or reminder.planned_at
    running = reminder.recurrence is not None and reminder.next_at is not None
    fresh = rule is not None and (not running or {"remind_at", "recurrence"} <= changes.keys())
    if rule is None or fresh:
        planned = reminder.replanned(at, None if rule is None else recurrence_of(rule, zone, at))
    else:
        planned = continued(reminder, rule, zone, changes.get("remind_at"), now)
    return replace(
        planned, status=SCHEDULED, payload={**reminder.payload, "time_zone": zone}, revision=reminder.revision
    )


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
