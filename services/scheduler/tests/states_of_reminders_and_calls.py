"""The documented states of reminders and calls, with paths to each."""

from datetime import timedelta
from typing import Any

from switchboard.contracts.auth import UserUpdated
from switchboard.contracts.conversations import CallCompleted, CallFailed, CallMissed, CallRinging
from switchboard.testing.app import Answer

from .states import PHONE, Act, Planned, Rows, Way, creates, due, missed, paths, requests
from .virtual_time import ANNA

# Reminders

series = creates("/reminders", "remind_at", lead_id="l", note="", recurrence="FREQ=HOURLY")
single = creates("/reminders", "remind_at", lead_id="l", note="")
skipping = creates("/reminders", "remind_at", lead_id="l", note="", misfire="skip")
note, moved, deleted = requests("PATCH", body={"note": "n"}), requests("PATCH", at="remind_at"), requests("DELETE")
snooze = requests("POST", "/snooze", at="until")

REMINDER: Rows = {
    ("–", "POST"): paths([()], [single, series], "scheduled"),
    ("scheduled", "due, more to come"): paths([(series,)], [due]),
    ("scheduled", "due, nothing more to come"): paths([(single,)], [due]),
    ("scheduled", "missed past its grace, misfire: skip, nothing more to come"): paths([(skipping,)], [missed]),
    ("scheduled", "PATCH; snooze"): paths([(single,), (series,)], [note, moved, snooze]),
    ("scheduled", "DELETE"): paths([(single,), (series,)], [deleted]),
    ("cancelled", "DELETE"): paths([(single, deleted), (series, deleted)], [deleted]),
    ("cancelled", "PATCH, snooze"): paths([(single, deleted)], [note, moved, snooze]),
    ("fired, skipped", "snooze, PATCH with a new remind_at"): paths(
        [(single, due), (skipping, missed)], [snooze, moved]
    ),
    ("fired, skipped", "DELETE, any other PATCH"): paths([(single, due), (skipping, missed)], [deleted, note]),
}

# Calls


def call(**fields: Any) -> Act:
    make = creates("/calls", "scheduled_at", contact_phone=PHONE, note="", **fields)

    async def act(it: Planned) -> Answer | None:
        user: dict[str, Any] = {"email": "a@b.example", "name": "A", "role": "agent", "disabled": False}
        await it.scheduler.receive(UserUpdated(user_id=ANNA.user_id, notify_phone="+14155550199", **user))
        return await make(it)

    return act


def call_event(event: type[Any], *, before: bool = False) -> Act:
    """Receive an event. `before`: one that was published before the last one and arrives after it."""

    async def act(it: Planned) -> None:
        it.scheduler.clock.set(it.scheduler.clock.now() + timedelta(seconds=2))
        status = event.type.split(".")[1]
        fact = event(
            call_id=it.id,
            user_id=ANNA.user_id,
            contact_phone=PHONE,
            scheduled_at=it.scheduler.clock.now(),
            status=status,
        )
        await it.scheduler.receive(fact, time=it.scheduler.clock.now() - timedelta(seconds=3 if before else 0))

    return act


planned, placed = (call(),), (call(), due)
rings, completed, missed_call, failed = map(call_event, (CallRinging, CallCompleted, CallMissed, CallFailed))
ringing, cancelled = (*placed, rings), (call(), deleted)
ended: list[Way] = [(*placed, end) for end in (completed, missed_call, failed)]
note_of_call = requests("PATCH", body={"note": "n"})

CALL: Rows = {
    ("–", "POST"): paths([()], [call()]),
    ("scheduled, not placed", "PATCH"): paths([planned], [note_of_call, requests("PATCH", at="scheduled_at")]),
    ("scheduled, not placed", "DELETE; missed past its grace with misfire: skip"): [
        (planned, deleted, None),
        ((call(misfire="skip"),), missed, None),
    ],
    ("scheduled, not placed", "due"): paths([planned], [due]),
    ("placed, ringing", "PATCH, DELETE"): paths([placed, ringing], [note_of_call, deleted]),
    ("cancelled", "DELETE"): paths([cancelled], [deleted]),
    ("cancelled", "PATCH"): paths([cancelled], [note_of_call]),
    ("placed", "call.ringing"): paths([placed], [rings]),
    ("placed, ringing", "call.completed, call.missed, call.failed"): [
        *paths([placed, ringing], [completed], "completed"),
        *paths([placed, ringing], [missed_call], "missed"),
        *paths([placed, ringing], [failed], "failed"),
    ],
    ("completed, missed, failed", "call.ringing, late"): paths(ended, [call_event(CallRinging, before=True), rings]),
    ("completed, missed, failed", "another end"): [
        *paths([ended[0]], [missed_call], "missed"),
        *paths([ended[1]], [completed], "completed"),
        *paths([ended[2]], [completed], "completed"),
        *paths([ended[0]], [call_event(CallMissed, before=True)], "completed"),
    ],
    ("cancelled", "any of these"): paths([cancelled], [rings, completed, missed_call, failed]),
}
