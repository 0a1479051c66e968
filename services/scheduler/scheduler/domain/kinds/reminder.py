"""Reminders: a user is reminded of a lead, once or as a series.

scheduled -- due --> scheduled (a series) or fired (nothing more planned); missed past its grace period: skipped
fired, skipped -- snoozed, or a new time --> scheduled
scheduled -- cancelled --> cancelled, no longer shown
"""

from datetime import timedelta
from typing import Any

from scheduler.domain.kinds.firing import Firing, Kind, plain_skip
from scheduler.domain.recurrence.changes import is_same_rule
from scheduler.domain.schedules import Occurrence, Schedule
from switchboard.contracts.conversation_commands import ReminderFire
from switchboard.contracts.scheduler import ReminderCreated, ReminderFired, ReminderStatus, ReminderUpdated

SHOWN_EXACTLY = timedelta(milliseconds=1)  # JavaScript's clients cut off the rest
KIND = "reminder"
SCHEDULED = "scheduled"
FIRED = "fired"
SKIPPED = "skipped"
CANCELLED = "cancelled"


def fire(schedule: Schedule, occurrence: Occurrence) -> Firing:
    """Have the user reminded."""
    facts = {**_facts(schedule), "remind_at": occurrence.at, "late": occurrence.late}
    status: ReminderStatus = "fired" if occurrence.is_last else "scheduled"
    return Firing(status, ReminderFire(**facts), (ReminderFired(**facts, status=status),))


def created(schedule: Schedule) -> ReminderCreated:
    return ReminderCreated(**_state(schedule))


def updated(schedule: Schedule) -> ReminderUpdated:
    return ReminderUpdated(**_state(schedule))


def shows(schedule: Schedule, name: str, value: Any) -> bool:
    """Whether the reminder shows `value` as its field `name`: sent back, it is no change."""
    match name:
        case "remind_at":
            return bool(abs(value - schedule.planned_at) < SHOWN_EXACTLY)
        case "recurrence":
            series = schedule.recurrence
            if series is None or value is None:
                return series is value
            return is_same_rule(series, str(value))
        case "user_id" | "misfire":
            return bool(getattr(schedule, name) == value)
        case _:
            return bool(schedule.payload.get(name) == value)


def _state(schedule: Schedule) -> dict[str, Any]:
    late = schedule.late and schedule.status == FIRED
    return {**_facts(schedule), "remind_at": schedule.planned_at, "late": late, "status": schedule.status}


def _facts(schedule: Schedule) -> dict[str, Any]:
    payload = schedule.payload
    return {
        "reminder_id": schedule.id,
        "user_id": schedule.user_id,
        "lead_id": payload["lead_id"],
        "note": payload["note"],
    }


kind = Kind(fire=fire, skip=plain_skip(SKIPPED))
