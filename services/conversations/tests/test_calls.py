"""Calls: placing them, their receipts and their cleanup."""

from uuid import UUID

from conversations.workers.call_dialer import CallDialer
from conversations.workers.sandbox_reports import SandboxReporter
from switchboard.contracts.auth import UserUpdated
from switchboard.contracts.conversation_commands import CallPlace, CallsCleanup

from .client import ANNA, NOW, PHONE, STRANGER, ConversationsClient

CALL = CallPlace(call_id=UUID(int=70), user_id=ANNA.user_id, contact_phone=PHONE, scheduled_at=NOW)


async def test_a_call_rings_the_users_phone_and_is_completed(client: ConversationsClient) -> None:
    await _given_phone(client, "+14155550177")
    await client.deliver(CALL)

    assert await _dialer(client).place_due_calls() == 1
    await client.fetch("update calls set due_at = clock_timestamp() - interval '10 seconds'")
    await SandboxReporter(client.database).complete_calls()

    assert await _has_events(client, ["call.ringing", "call.completed"])


async def test_a_call_waits_for_the_event_with_the_users_phone(client: ConversationsClient) -> None:
    await client.deliver(CALL)
    await _dialer(client).place_due_calls()
    assert await _has_events(client, [])

    await _given_phone(client, "+14155550177")
    await client.fetch("update calls set due_at = clock_timestamp()")
    await _dialer(client).place_due_calls()

    assert await _has_events(client, ["call.ringing"])
    assert await client.fetch("select attempts from calls") == [{"attempts": 1}]


async def test_a_call_of_a_user_without_a_phone_fails_with_a_notification(client: ConversationsClient) -> None:
    await _given_phone(client, None)
    await client.deliver(CALL)
    await client.fetch("update calls set created_at = created_at - interval '31 seconds'")

    await _dialer(client).place_due_calls()

    assert await _has_events(client, ["call.failed"])
    (notification,) = (await client.call(ANNA, "GET", "/notifications")).body["items"]
    assert (notification["kind"], notification["body"]) == ("call", "the user has no notify_phone")


async def test_a_disabled_users_phone_does_not_ring(client: ConversationsClient) -> None:
    await _given_phone(client, "+14155550177", disabled=True)
    await client.deliver(CALL)
    await client.fetch("update calls set created_at = created_at - interval '31 seconds'")

    await _dialer(client).place_due_calls()

    assert await client.fetch("select status, reason, provider_ref from calls") == [
        {"status": "failed", "reason": "the user is disabled", "provider_ref": None}
    ]
    assert await client.fetch("select * from deliveries") == []  # nor does it get the notification


async def test_a_call_is_not_placed_again_after_a_crash_while_placing_it(client: ConversationsClient) -> None:
    await _given_phone(client, "+14155550177")
    await client.deliver(CALL)
    await client.fetch(
        "update calls set holder = 'dead', attempting_at = clock_timestamp(),"
        " lease_until = clock_timestamp() - interval '1 second'"
    )

    await _dialer(client).place_due_calls()

    assert await client.fetch("select status, reason, provider_ref from calls") == [
        {"status": "ringing", "reason": "outcome unknown", "provider_ref": None}
    ]


async def test_a_final_call_status_never_changes(twilio_client: ConversationsClient) -> None:
    call = CallPlace(call_id=UUID(int=70), user_id=ANNA.user_id, contact_phone=PHONE, scheduled_at=NOW, note="offer")
    await twilio_client.deliver(call)

    for status in ("ringing", "no-answer", "completed"):
        await twilio_client.webhook({"CallSid": "CA1", "CallStatus": status}, f"?call={call.call_id}")

    events = [event.type for event in await twilio_client.published() if event.type.startswith("call.")]
    assert events == ["call.ringing", "call.missed"]
    history = await twilio_client.call(ANNA, "GET", f"/calls/{call.call_id}/events")
    assert [entry["kind"] for entry in history.body["items"]] == ["requested", "ringing", "missed"]
    unknown = await twilio_client.call(STRANGER, "GET", f"/calls/{call.call_id}/events")
    assert (unknown.status, unknown.body["detail"]) == (404, "This call is unknown, or has not been placed yet.")


async def test_calls_that_never_ended_become_missed(twilio_client: ConversationsClient) -> None:
    call = CallPlace(call_id=UUID(int=70), user_id=ANNA.user_id, contact_phone=PHONE, scheduled_at=NOW)
    await twilio_client.deliver(call)
    await twilio_client.fetch("update calls set status = 'ringing', due_at = clock_timestamp() - interval '5 hours'")

    await twilio_client.deliver(CallsCleanup())
    await twilio_client.deliver(CallsCleanup())

    events = [event.type for event in await twilio_client.published() if event.type.startswith("call.")]
    assert events == ["call.missed"]
    (notification,) = (await twilio_client.call(ANNA, "GET", "/notifications")).body["items"]
    assert notification["title"] == f"Call with {PHONE}: missed"


def _dialer(client: ConversationsClient) -> CallDialer:
    return CallDialer(client.database, client.accounts, instance="conversations-test")


async def _given_phone(client: ConversationsClient, phone: str | None, *, disabled: bool = False) -> None:
    user = UserUpdated(
        user_id=ANNA.user_id, email="a@x.example", name="A", role="agent", disabled=disabled, notify_phone=phone
    )
    await client.deliver(user)


async def _has_events(client: ConversationsClient, expected: list[str]) -> bool:
    return [event.type for event in await client.published() if event.type.startswith("call.")] == expected
