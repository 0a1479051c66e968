"""Calls: record them, change their status, and end those that were never answered."""

from datetime import timedelta

from conversations.actions.notifications import notify
from conversations.domain.calls import EVENTS, goes_forward
from conversations.store import calls as store
from switchboard.contracts.conversation_commands import CallPlace, CallsCleanup
from switchboard.contracts.conversations import CallStatus
from switchboard.messaging.outbox.unit_of_work import Work

CALLS = "calls"  # the NOTIFY channel that wakes the call dialers
MAX_CALL_DURATION = timedelta(hours=4)


async def place_call(place: CallPlace, work: Work) -> None:
    """Record a call that the scheduler commands. The call dialer places it."""
    assert work.tenant_id is not None
    if await store.add_call(work.conn, work.tenant_id, place):
        await store.add_call_event(work.conn, work.tenant_id, place.call_id, "requested", place.note or None)
        work.notify(CALLS)


async def move_call(
    work: Work,
    call: store.Call,
    status: CallStatus,
    *,
    reason: str | None = None,
    provider: str | None = None,
    provider_ref: str | None = None,
) -> bool:
    """Move a call, its row locked, forward to `status`, with its history, event and notification.

    False when the call is already at or past that status.
    """
    if not goes_forward(call.status, status):
        return False
    await store.save_call(work.conn, call.id, status, reason=reason, provider=provider, provider_ref=provider_ref)
    await store.add_call_event(work.conn, call.tenant_id, call.id, status, reason)
    event = EVENTS[status](
        call_id=call.id,
        user_id=call.user_id,
        contact_phone=call.contact_phone,
        scheduled_at=call.scheduled_at,
        status=status,
    )
    work.tenant_id = call.tenant_id
    await work.publish(event)
    if status in ("missed", "failed"):
        title = f"Call with {call.contact_phone}: {status}"
        await notify(work, call.user_id, "call", title, reason or "", subject_id=call.id)
    return True


async def clean_up_calls(_: CallsCleanup, work: Work) -> None:
    """Mark calls as missed that have been unfinished for too long."""
    for call in await store.lock_unfinished(work.conn, MAX_CALL_DURATION):
        await move_call(work, call, "missed", reason="never came to an end")
