"""Calls as they are placed."""

from __future__ import annotations

from uuid import UUID

from conversations.workers.call_dialer import CallPlacer
from conversations.workers.sandbox_reports import end_calls
from switchboard.contracts.auth import UserUpdated
from switchboard.contracts.conversations import CallPlace

from .world import ANNA, NOW, PHONE, World

CALL = CallPlace(call_id=UUID(int=70), user_id=ANNA.user_id, contact_phone=PHONE, scheduled_at=NOW)


async def test_a_call_rings_the_users_phone_and_is_completed(world: World) -> None:
    await _given_phone(world, "+14155550177")
    await world.deliver(CALL)

    assert await _placer(world).place_some() == 1
    await world.fetch("update calls set due_at = clock_timestamp() - interval '10 seconds'")
    await end_calls(world.database)

    assert await _kinds(world, ["call.ringing", "call.completed"])


async def test_a_call_waits_for_the_word_of_a_phone_that_is_still_on_its_way(world: World) -> None:
    await world.deliver(CALL)
    await _placer(world).place_some()
    assert await _kinds(world, [])

    await _given_phone(world, "+14155550177")
    await world.fetch("update calls set due_at = clock_timestamp()")
    await _placer(world).place_some()

    assert await _kinds(world, ["call.ringing"])
    assert await world.fetch("select attempts from calls") == [{"attempts": 1}]


async def test_a_user_without_a_phone_cannot_be_rung_and_is_told(world: World) -> None:
    await _given_phone(world, None)
    await world.deliver(CALL)
    await world.fetch("update calls set created_at = created_at - interval '31 seconds'")

    await _placer(world).place_some()

    assert await _kinds(world, ["call.failed"])
    (notification,) = (await world.call(ANNA, "GET", "/notifications")).body["items"]
    assert (notification["kind"], notification["body"]) == ("call", "the user has no notify_phone")


async def test_a_disabled_users_phone_does_not_ring(world: World) -> None:
    await _given_phone(world, "+14155550177", disabled=True)
    await world.deliver(CALL)
    await world.fetch("update calls set created_at = created_at - interval '31 seconds'")

    await _placer(world).place_some()

    assert await world.fetch("select status, reason, provider_ref from calls") == [
        {"status": "failed", "reason": "the user is disabled", "provider_ref": None}
    ]
    assert await world.fetch("select * from deliveries") == []  # nor is told of it by a message to that phone


async def test_a_call_whose_placer_died_in_the_middle_is_not_rung_again(world: World) -> None:
    await _given_phone(world, "+14155550177")
    await world.deliver(CALL)
    await world.fetch(
        "update calls set holder = 'dead', attempting_at = clock_timestamp(),"
        " lease_until = clock_timestamp() - interval '1 second'"
    )

    await _placer(world).place_some()

    assert await world.fetch("select status, reason, provider_ref from calls") == [
        {"status": "ringing", "reason": "outcome unknown", "provider_ref": None}
    ]


def _placer(world: World) -> CallPlacer:
    return CallPlacer(world.database, world.accounts, instance="conversations-test")


async def _given_phone(world: World, phone: str | None, *, disabled: bool = False) -> None:
    user = UserUpdated(
        user_id=ANNA.user_id, email="a@x.example", name="A", role="agent", disabled=disabled, notify_phone=phone
    )
    await world.deliver(user)


async def _kinds(world: World, expected: list[str]) -> bool:
    return [event.type for event in await world.published() if event.type.startswith("call.")] == expected
