"""Calls: a user's phone rings at a time and is connected with a contact's.

scheduled -- due --> scheduled, placed: waiting for what `conversations` says of it
scheduled -- taken back, or missed past its grace --> cancelled
placed -- call.ringing --> ringing
placed, ringing -- call.completed, call.missed, call.failed --> that; of two of these the later told stands
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from scheduler.domain.kinds.firing import Firing, Kind
from scheduler.domain.schedules import Occurrence, Schedule
from switchboard.contracts.conversations import CallEvent, CallPlace, CallStatus
from switchboard.contracts.scheduler import CallCancelled, CallScheduled

KIND = "call"
SCHEDULED: CallStatus = "scheduled"
CANCELLED: CallStatus = "cancelled"
ENDS = ("completed", "missed", "failed")
TOLD_AT = "told_at"  # in the payload: when the event that the status comes from was made


def fire(schedule: Schedule, occurrence: Occurrence) -> Firing:
    """Have it placed."""
    note = schedule.payload["note"]
    command = CallPlace(**_whose(schedule), scheduled_at=schedule.planned_at, note=note, late=occurrence.late)
    return Firing(SCHEDULED, command)


def skip(schedule: Schedule, occurrence: Occurrence) -> Firing:
    """Nobody wants to be rung an hour late."""
    event = CallCancelled(**_whose(schedule), scheduled_at=schedule.planned_at, status=CANCELLED)
    return Firing(CANCELLED, None, (event,))


def planned(schedule: Schedule) -> CallScheduled:
    return CallScheduled(**_whose(schedule), scheduled_at=schedule.planned_at, status=SCHEDULED)


def cancelled(schedule: Schedule) -> CallCancelled:
    return CallCancelled(**_whose(schedule), scheduled_at=schedule.planned_at, status=CANCELLED)


def after_result(schedule: Schedule, event: CallEvent, made_at: datetime) -> Schedule:
    """The call once it is known how it went; unchanged by what is older than what is known."""
    known_at = schedule.payload.get(TOLD_AT)
    stale = known_at is not None and made_at < datetime.fromisoformat(known_at)
    over = schedule.status in ENDS and event.status not in ENDS
    if stale or over or schedule.status == CANCELLED:
        return schedule
    return replace(schedule, status=event.status, payload={**schedule.payload, TOLD_AT: made_at.isoformat()})


def _whose(schedule: Schedule) -> dict[str, Any]:
    return {
        "call_id": schedule.id,
        "user_id": schedule.user_id,
        "contact_phone": schedule.payload["contact_phone"],
    }


kind = Kind(fire=fire, skip=skip)
