"""Calls, from the plan to how they went."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest

from switchboard.contracts.auth import UserUpdated
from switchboard.contracts.conversations import CallCompleted, CallMissed, CallRinging

from .world import ANNA, BEN, CHIEF, NOON, STRANGER, World


def at(**later: float) -> str:
    return (NOON + timedelta(**later)).isoformat().replace("+00:00", "Z")


def plan(**fields: Any) -> dict[str, Any]:
    return {"contact_phone": "(415) 555-0100", "scheduled_at": at(hours=1), "note": "the offer", **fields}


def anna_with(phone: str | None) -> UserUpdated:
    return UserUpdated(
        user_id=ANNA.user_id, email="a@b.example", name="A", role="agent", disabled=False, notify_phone=phone
    )


async def given_phone(world: World, phone: str | None = "+14155550199") -> None:
    await world.hear(anna_with(phone))


def told_by_auth(world: World, phone: str | None) -> None:
    world.auth.known[ANNA.tenant_id, ANNA.user_id] = anna_with(phone)


async def given_call(world: World, **fields: Any) -> dict[str, Any]:
    await given_phone(world)
    answer = await world.call(ANNA, "POST", "/calls", plan(**fields))
    assert answer.status == 201, answer.body
    return dict(answer.body)


async def status_of(world: World, call: dict[str, Any]) -> str:
    return str((await world.call(ANNA, "GET", f"/calls/{call['id']}")).body["status"])


async def told(world: World, call: dict[str, Any], event: type[Any], status: str, after: int) -> None:
    fact = event(
        call_id=UUID(call["id"]),
        user_id=ANNA.user_id,
        contact_phone=call["contact_phone"],
        scheduled_at=NOON,
        status=status,
    )
    await world.hear(fact, time=NOON + timedelta(seconds=after))


async def test_a_call_is_placed_once_at_its_time(world: World) -> None:
    call = await given_call(world)

    await world.live_for(days=1)

    [command] = await world.sent("call.place")
    assert command.data == {
        "call_id": call["id"],
        "user_id": str(ANNA.user_id),
        "contact_phone": "+14155550100",
        "scheduled_at": at(hours=1),
        "note": "the offer",
        "late": False,
    }
    assert [event.data["status"] for event in await world.sent("call.scheduled")] == ["scheduled"]


async def test_a_call_needs_a_phone_to_ring_and_one_to_connect(world: World) -> None:
    unknown = await world.call(ANNA, "POST", "/calls", plan())
    await given_phone(world, None)
    without = await world.call(ANNA, "POST", "/calls", plan())
    await given_phone(world)
    nonsense = await world.call(ANNA, "POST", "/calls", plan(contact_phone="call me"))
    past = await world.call(ANNA, "POST", "/calls", plan(scheduled_at=at(minutes=-2)))

    assert [each.status for each in (unknown, without, nonsense, past)] == [422] * 4
    assert nonsense.body["errors"][0]["loc"] == ["body", "contact_phone"]


async def test_a_phone_that_was_set_just_now_can_be_rung(world: World) -> None:
    await given_phone(world, None)
    told_by_auth(world, "+14155550199")

    planned = await world.call(ANNA, "POST", "/calls", plan())
    others = await world.call(STRANGER, "POST", "/calls", plan(user_id=str(ANNA.user_id)))

    assert (planned.status, others.status) == (201, 422)


async def test_a_colleague_who_was_invited_just_now_can_be_planned_for(world: World) -> None:
    told_by_auth(world, None)
    wish = {"lead_id": "7", "note": "hi", "remind_at": at(hours=1), "user_id": str(ANNA.user_id)}

    planned = await world.call(CHIEF, "POST", "/reminders", wish)
    others = await world.call(STRANGER, "POST", "/reminders", wish)

    assert (planned.status, others.status) == (201, 422)


async def test_nothing_new_is_planned_for_a_disabled_colleague(world: World) -> None:
    disabled = anna_with("+14155550199").model_copy(update={"disabled": True})
    await world.hear(disabled)
    wishes = {
        "/calls": plan(user_id=str(ANNA.user_id)),
        "/reminders": {"lead_id": "7", "note": "", "remind_at": at(hours=1), "user_id": str(ANNA.user_id)},
    }

    world.auth.known[ANNA.tenant_id, ANNA.user_id] = disabled
    refused = [await world.call(CHIEF, "POST", path, wish) for path, wish in wishes.items()]
    told_by_auth(world, "+14155550199")  # who is let in again
    planned = [await world.call(CHIEF, "POST", path, wish) for path, wish in wishes.items()]

    assert [(answer.status, answer.body["errors"][0]["msg"]) for answer in refused] == [(422, "is disabled")] * 2
    assert [answer.status for answer in planned] == [201, 201]


async def test_what_auth_would_have_to_say_is_not_guessed_while_it_is_away(world: World) -> None:
    await given_phone(world, None)
    await world.auth.stop()

    refused = await world.call(ANNA, "POST", "/calls", plan())
    await given_phone(world)
    planned = await world.call(ANNA, "POST", "/calls", plan())

    assert (refused.status, refused.body["code"], planned.status) == (503, "unavailable", 201)
    assert "Retry-After" in refused.headers


async def test_a_call_is_moved_while_it_is_to_come(world: World) -> None:
    call = await given_call(world)

    moved = await world.call(ANNA, "PATCH", f"/calls/{call['id']}", {"scheduled_at": at(hours=4)})
    await world.live_for(hours=3)
    assert await world.sent("call.place") == []
    await world.live_for(hours=3)

    assert moved.body["scheduled_at"] == at(hours=4)
    assert len(await world.sent("call.place")) == 1
    again = await world.call(ANNA, "PATCH", f"/calls/{call['id']}", {"scheduled_at": at(hours=9)})
    assert (again.status, again.body["code"]) == (409, "already_fired")
    assert (await world.call(ANNA, "DELETE", f"/calls/{call['id']}")).status == 409


async def test_a_call_taken_back_is_never_placed(world: World) -> None:
    call = await given_call(world)

    gone = await world.call(ANNA, "DELETE", f"/calls/{call['id']}")
    again = await world.call(ANNA, "DELETE", f"/calls/{call['id']}")
    await world.live_for(days=1)

    assert (gone.status, again.status) == (204, 204)
    assert await world.sent("call.place") == []
    assert len(await world.sent("call.cancelled")) == 1
    assert await status_of(world, call) == "cancelled"
    assert (await world.call(ANNA, "PATCH", f"/calls/{call['id']}", {"note": "x"})).status == 409


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_how_it_went_is_known_in_whatever_order_it_is_told(world: World, order: tuple[int, ...]) -> None:
    call = await given_call(world)
    await world.live_for(hours=2)
    facts = [(CallRinging, "ringing", 10), (CallMissed, "missed", 20), (CallCompleted, "completed", 30)]

    for n in order:
        await told(world, call, *facts[n])

    assert await status_of(world, call) == "completed"


async def test_a_late_call_that_is_to_be_skipped_is_cancelled(world: World) -> None:
    late = await given_call(world)
    skipped = await given_call(world, misfire="skip")

    await world.sleep_through(hours=3)

    [command] = await world.sent("call.place")
    assert (command.data["call_id"], command.data["late"]) == (late["id"], True)
    assert await status_of(world, skipped) == "cancelled"


async def test_others_do_not_see_it(world: World) -> None:
    call = await given_call(world)

    for who in (BEN, STRANGER):
        for method, body in (("GET", None), ("PATCH", {"note": "x"}), ("DELETE", None)):
            assert (await world.call(who, method, f"/calls/{call['id']}", body)).status == 404
        assert (await world.call(who, "GET", "/calls")).body["items"] == []
    assert len((await world.call(ANNA, "GET", "/calls")).body["items"]) == 1
