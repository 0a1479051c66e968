"""Calls: at a planned time a user's phone rings and is connected with a contact's.

scheduled -- due --> scheduled, placed: waits for the events of `conversations`
scheduled -- cancelled, or missed past its grace period --> cancelled
placed -- call.ringing --> ringing
placed, ringing -- call.completed, call.missed, call.failed --> that status; the last event wins
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from scheduler.domain.kinds.firing import RESULT_AT, Firing, Kind, is_outdated
from scheduler.domain.schedules import Occurrence, Schedule
from switchboard.contracts.conversation_commands import CallPlace
from switchboard.contracts.conversations import CallEvent, CallStatus
from switchboard.contracts.scheduler import CallCancelled, CallScheduled

KIND = "call"
SCHEDULED: CallStatus = "scheduled"
CANCELLED: CallStatus = "cancelled"
ENDS = ("completed", "missed", "failed")


def fire(schedule: Schedule, occurrence: Occurrence) -> Firing:
    """Have the call placed."""
    note = schedule.payload["note"]
    command = CallPlace(**_facts(schedule), scheduled_at=schedule.planned_at, note=note, late=occurrence.late)
    return Firing(SCHEDULED, command)


def skip(schedule: Schedule, _occurrence: Occurrence) -> Firing:
    """Cancel a call that was missed."""
    return Firing(CANCELLED, None, (cancelled(schedule),))


def planned(schedule: Schedule) -> CallScheduled:
    return CallScheduled(**_facts(schedule), scheduled_at=schedule.planned_at, status=SCHEDULED)


def cancelled(schedule: Schedule) -> CallCancelled:
    return CallCancelled(**_facts(schedule), scheduled_at=schedule.planned_at, status=CANCELLED)


def after_result(schedule: Schedule, event: CallEvent, event_time: datetime) -> Schedule:
    """The call after an event of `conversations`. An outdated event changes nothing."""
    over = schedule.status in ENDS and event.status not in ENDS
    if over or schedule.status == CANCELLED or is_outdated(schedule, event_time):
        return schedule
    return replace(schedule, status=event.status, payload={**schedule.payload, RESULT_AT: event_time.isoformat()})


def _facts(schedule: Schedule) -> dict[str, Any]:
    return {
        "call_id": schedule.id,
        "user_id": schedule.user_id,
        "contact_phone": schedule.payload["contact_phone"],
    }


kind = Kind(fire=fire, skip=skip)
