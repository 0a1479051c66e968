"""Reminders: a user is told of a lead at a time, once or again and again.

scheduled -- due --> scheduled (a series) or fired (nothing more to come); missed past its grace: skipped
fired, skipped -- snooze, new time --> scheduled
scheduled -- taken back --> cancelled, no longer shown
"""

from __future__ import annotations

from typing import Any

from scheduler.domain.kinds.firing import Firing, Kind, plain_skip
from scheduler.domain.schedules import Occurrence, Schedule
from switchboard.contracts.conversations import ReminderFire
from switchboard.contracts.scheduler import ReminderCreated, ReminderFired, ReminderStatus, ReminderUpdated

KIND = "reminder"
SCHEDULED = "scheduled"
FIRED = "fired"
SKIPPED = "skipped"
CANCELLED = "cancelled"


def fire(schedule: Schedule, occurrence: Occurrence) -> Firing:
    """Tell the user."""
    facts = {**_whose(schedule), "remind_at": occurrence.at, "late": occurrence.late}
    status: ReminderStatus = "fired" if occurrence.is_last else "scheduled"
    return Firing(status, ReminderFire(**facts), (ReminderFired(**facts, status=status),))


def created(schedule: Schedule) -> ReminderCreated:
    return ReminderCreated(**_as_it_stands(schedule))


def updated(schedule: Schedule) -> ReminderUpdated:
    return ReminderUpdated(**_as_it_stands(schedule))


def _as_it_stands(schedule: Schedule) -> dict[str, Any]:
    late = schedule.late and schedule.status == FIRED
    return {**_whose(schedule), "remind_at": schedule.planned_at, "late": late, "status": schedule.status}


def _whose(schedule: Schedule) -> dict[str, Any]:
    payload = schedule.payload
    return {
        "reminder_id": schedule.id,
        "user_id": schedule.user_id,
        "lead_id": payload["lead_id"],
        "note": payload["note"],
    }


kind = Kind(fire=fire, skip=plain_skip(SKIPPED))
