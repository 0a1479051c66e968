"""Reminders: a user is reminded of a lead, once or as a series.

scheduled -- due --> scheduled (a series) or fired (nothing more planned); missed past its grace period: skipped
fired, skipped -- snoozed, or a new time --> scheduled
scheduled -- cancelled --> cancelled, no longer shown
"""

from typing import Any

from scheduler.domain.kinds.firing import Firing, Kind, plain_skip
from scheduler.domain.schedules import Occurrence, Schedule
from switchboard.contracts.conversation_commands import ReminderFire
from switchboard.contracts.scheduler import ReminderCreated, ReminderFired, ReminderStatus, ReminderUpdated

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
