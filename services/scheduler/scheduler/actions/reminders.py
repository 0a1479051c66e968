"""Reminders: made, changed, put off, taken back."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from scheduler.actions.planning import check_time, recurrence_of, refuse, sees, user_of, zone_of
from scheduler.actions.wakeup import notify_leader
from scheduler.domain.kinds.reminder import CANCELLED, FIRED, KIND, SCHEDULED, SKIPPED, created, updated
from scheduler.domain.refusals import AlreadyFired
from scheduler.domain.schedules import Misfire, Schedule
from scheduler.store import schedules
from switchboard.http.identity import Identity
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.replica.user_directory import TenantUsers
from switchboard.runtime.refusals import NotFound

OVER = (FIRED, SKIPPED)


async def create_reminder(
    work: Work,
    caller: Identity,
    users: TenantUsers,
    now: datetime,
    *,
    lead_id: str,
    note: str,
    remind_at: datetime,
    user_id: UUID | None,
    recurrence: str | None,
    time_zone: str | None,
    misfire: Misfire,
    id: UUID | None = None,
) -> Schedule:
    """Plan a reminder. Without a zone of its own a series keeps that of its user. `id`: of one that was planned
    elsewhere before.
    """
    check_time("remind_at", remind_at, now)
    owner = await user_of(users, caller, user_id)
    zone = await zone_of(users, time_zone, owner, of_series=recurrence is not None)
    reminder = Schedule(
        id=id or uuid7(),
        kind=KIND,
        status=SCHEDULED,
        next_at=remind_at,
        planned_at=remind_at,
        tenant_id=caller.tenant_id,
        user_id=owner,
        recurrence=recurrence_of(recurrence, zone, remind_at),
        misfire=misfire,
        payload={"lead_id": lead_id, "note": note, "time_zone": zone},
        created_at=now,
        updated_at=now,
    )
    await schedules.add_schedule(work.conn, reminder)
    await work.publish(created(reminder))
    notify_leader(work, reminder.due_at, now)
    return reminder


async def change_reminder(
    work: Work, caller: Identity, users: TenantUsers, now: datetime, reminder_id: UUID, changes: dict[str, Any]
) -> Schedule:
    """Change what `changes` names.

    A new time, series or zone plans it anew; one that has fired needs a new time.
    """
    reminder = await _lock(work, caller, reminder_id)
    if reminder.status in OVER and "remind_at" not in changes:
        raise AlreadyFired
    for name in ("lead_id", "note", "remind_at", "user_id", "time_zone", "misfire"):
        if name in changes and changes[name] is None:
            raise refuse(name, "can be changed, but not taken away")
    owner = await user_of(users, caller, changes["user_id"]) if "user_id" in changes else reminder.user_id
    payload = {**reminder.payload, **{name: changes[name] for name in {"lead_id", "note"} & changes.keys()}}
    changed = replace(
        reminder,
        user_id=owner,
        payload=payload,
        misfire=changes.get("misfire", reminder.misfire),
        revision=reminder.revision + 1,
    )
    if {"remind_at", "recurrence", "time_zone"} & changes.keys():
        changed = await _planned_anew(users, changed, changes, now)
    return await _save(work, changed, now)


async def snooze_reminder(work: Work, caller: Identity, now: datetime, reminder_id: UUID, until: datetime) -> Schedule:
    """Once more at `until`.

    A series goes on as planned; a single reminder that has not fired yet waits until then.
    """
    check_time("until", until, now)
    reminder = await _lock(work, caller, reminder_id)
    return await _save(work, replace(reminder.due_once_more(until), status=SCHEDULED), now)


async def cancel_reminder(work: Work, caller: Identity, now: datetime, reminder_id: UUID) -> None:
    """It will not fire any more. Raises `AlreadyFired` when it did and nothing more was to come; a second time
    changes nothing.
    """
    reminder = await _lock_seen(work, caller, reminder_id)
    if reminder.status == CANCELLED:
        return
    if reminder.status in OVER:
        raise AlreadyFired
    await _save(work, replace(reminder.without_plan(), status=CANCELLED), now)


async def _planned_anew(users: TenantUsers, reminder: Schedule, changes: dict[str, Any], now: datetime) -> Schedule:
    # Not `planned_at`, which a snooze may have moved: the series keeps its time.
    at = changes.get("remind_at") or reminder.next_at or reminder.planned_at
    if "remind_at" in changes:
        check_time("remind_at", at, now)
    assert reminder.user_id is not None
    series = reminder.recurrence
    rule = changes.get("recurrence", series and series.rule)
    named = changes.get("time_zone", reminder.payload.get("time_zone"))
    zone = await zone_of(users, named, reminder.user_id, of_series=rule is not None)
    planned = replace(reminder.planned_anew(at, recurrence_of(rule, zone, at)), revision=reminder.revision)
    return replace(planned, status=SCHEDULED, payload={**reminder.payload, "time_zone": zone})


async def _lock(work: Work, caller: Identity, reminder_id: UUID) -> Schedule:
    reminder = await _lock_seen(work, caller, reminder_id)
    if reminder.status == CANCELLED:
        raise NotFound
    return reminder


async def _lock_seen(work: Work, caller: Identity, reminder_id: UUID) -> Schedule:
    reminder = await schedules.lock_schedule(work.conn, KIND, caller.tenant_id, reminder_id)
    if not sees(caller, reminder.user_id):
        raise NotFound
    return reminder


async def _save(work: Work, reminder: Schedule, now: datetime) -> Schedule:
    saved = await schedules.save_schedule(work.conn, reminder, now)
    await work.publish(updated(saved))
    notify_leader(work, saved.due_at, now)
    return saved
