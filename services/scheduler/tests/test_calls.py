"""Calls: planned, moved, cancelled, placed, and their results."""

from datetime import timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest

from switchboard.contracts.auth import UserUpdated
from switchboard.contracts.conversations import CallCompleted, CallMissed, CallRinging

from .virtual_time import ANNA, BEN, CHIEF, NOON, STRANGER, VirtualScheduler


def at(**later: float) -> str:
    return (NOON + timedelta(**later)).isoformat().replace("+00:00", "Z")


def plan(**fields: Any) -> dict[str, Any]:
    return {"contact_phone": "(415) 555-0100", "scheduled_at": at(hours=1), "note": "the offer", **fields}


def anna_with(phone: str | None) -> UserUpdated:
    return UserUpdated(
        user_id=ANNA.user_id, email="a@b.example", name="A", role="agent", disabled=False, notify_phone=phone
    )


async def given_phone(scheduler: VirtualScheduler, phone: str | None = "+14155550199") -> None:
    await scheduler.receive(anna_with(phone))


def given_at_auth(scheduler: VirtualScheduler, phone: str | None) -> None:
    scheduler.auth.known[ANNA.tenant_id, ANNA.user_id] = anna_with(phone)


async def given_call(scheduler: VirtualScheduler, **fields: Any) -> dict[str, Any]:
    await given_phone(scheduler)
    answer = await scheduler.call(ANNA, "POST", "/calls", plan(**fields))
    assert answer.status == 201, answer.body
    return dict(answer.body)


async def status_of(scheduler: VirtualScheduler, call: dict[str, Any]) -> str:
    return str((await scheduler.call(ANNA, "GET", f"/calls/{call['id']}")).body["status"])


async def receive(scheduler: VirtualScheduler, call: dict[str, Any], event: type[Any], status: str, after: int) -> None:
    fact = event(
        call_id=UUID(call["id"]),
        user_id=ANNA.user_id,
        contact_phone=call["contact_phone"],
        scheduled_at=NOON,
        status=status,
    )
    await scheduler.receive(fact, time=NOON + timedelta(seconds=after))


async def test_a_call_is_placed_once_at_its_time(scheduler: VirtualScheduler) -> None:
    call = await given_call(scheduler)

    await scheduler.advance(days=1)

    [command] = await scheduler.published("call.place")
    assert command.data == {
        "call_id": call["id"],
        "user_id": str(ANNA.user_id),
        "contact_phone": "+14155550100",
        "scheduled_at": at(hours=1),
        "note": "the offer",
        "late": False,
    }
    assert [event.data["status"] for event in await scheduler.published("call.scheduled")] == ["scheduled"]


async def test_a_call_needs_a_users_phone_and_a_contacts_phone(scheduler: VirtualScheduler) -> None:
    unknown = await scheduler.call(ANNA, "POST", "/calls", plan())
    await given_phone(scheduler, None)
    without = await scheduler.call(ANNA, "POST", "/calls", plan())
    await given_phone(scheduler)
    nonsense = await scheduler.call(ANNA, "POST", "/calls", plan(contact_phone="call me"))
    past = await scheduler.call(ANNA, "POST", "/calls", plan(scheduled_at=at(minutes=-2)))

    assert [each.status for each in (unknown, without, nonsense, past)] == [422] * 4
    assert nonsense.body["errors"][0]["loc"] == ["body", "contact_phone"]


async def test_a_phone_that_was_just_set_at_auth_is_accepted(scheduler: VirtualScheduler) -> None:
    await given_phone(scheduler, None)
    given_at_auth(scheduler, "+14155550199")

    planned = await scheduler.call(ANNA, "POST", "/calls", plan())
    others = await scheduler.call(STRANGER, "POST", "/calls", plan(user_id=str(ANNA.user_id)))

    assert (planned.status, others.status) == (201, 422)


async def test_a_user_who_was_just_invited_can_be_planned_for(scheduler: VirtualScheduler) -> None:
    given_at_auth(scheduler, None)
    body = {"lead_id": "7", "note": "hi", "remind_at": at(hours=1), "user_id": str(ANNA.user_id)}

    planned = await scheduler.call(CHIEF, "POST", "/reminders", body)
    others = await scheduler.call(STRANGER, "POST", "/reminders", body)

    assert (planned.status, others.status) == (201, 422)


async def test_nothing_is_planned_for_a_disabled_user(scheduler: VirtualScheduler) -> None:
    disabled = anna_with("+14155550199").model_copy(update={"disabled": True})
    await scheduler.receive(disabled)
    bodies = {
        "/calls": plan(user_id=str(ANNA.user_id)),
        "/reminders": {"lead_id": "7", "note": "", "remind_at": at(hours=1), "user_id": str(ANNA.user_id)},
    }

    scheduler.auth.known[ANNA.tenant_id, ANNA.user_id] = disabled
    refused = [await scheduler.call(CHIEF, "POST", path, body) for path, body in bodies.items()]
    given_at_auth(scheduler, "+14155550199")  # enabled again
    planned = [await scheduler.call(CHIEF, "POST", path, body) for path, body in bodies.items()]

    assert [(answer.status, answer.body["errors"][0]["msg"]) for answer in refused] == [(422, "is disabled")] * 2
    assert [answer.status for answer in planned] == [201, 201]


async def test_a_lookup_that_needs_auth_answers_503_while_auth_is_unavailable(scheduler: VirtualScheduler) -> None:
    await given_phone(scheduler, None)
    await scheduler.auth.stop()

    refused = await scheduler.call(ANNA, "POST", "/calls", plan())
    await given_phone(scheduler)
    planned = await scheduler.call(ANNA, "POST", "/calls", plan())

    assert (refused.status, refused.body["code"], planned.status) == (503, "unavailable", 201)
    assert "Retry-After" in refused.headers


async def test_a_call_is_moved_until_it_is_placed(scheduler: VirtualScheduler) -> None:
    call = await given_call(scheduler)

    moved = await scheduler.call(ANNA, "PATCH", f"/calls/{call['id']}", {"scheduled_at": at(hours=4)})
    await scheduler.advance(hours=3)
    assert await scheduler.published("call.place") == []
    await scheduler.advance(hours=3)

    assert moved.body["scheduled_at"] == at(hours=4)
    assert len(await scheduler.published("call.place")) == 1
    again = await scheduler.call(ANNA, "PATCH", f"/calls/{call['id']}", {"scheduled_at": at(hours=9)})
    assert (again.status, again.body["code"]) == (409, "already_fired")
    assert (await scheduler.call(ANNA, "DELETE", f"/calls/{call['id']}")).status == 409


async def test_a_cancelled_call_is_never_placed(scheduler: VirtualScheduler) -> None:
    call = await given_call(scheduler)

    gone = await scheduler.call(ANNA, "DELETE", f"/calls/{call['id']}")
    again = await scheduler.call(ANNA, "DELETE", f"/calls/{call['id']}")
    await scheduler.advance(days=1)

    assert (gone.status, again.status) == (204, 204)
    assert await scheduler.published("call.place") == []
    assert len(await scheduler.published("call.cancelled")) == 1
    assert await status_of(scheduler, call) == "cancelled"
    assert (await scheduler.call(ANNA, "PATCH", f"/calls/{call['id']}", {"note": "x"})).status == 409


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_the_last_result_wins_in_any_order_of_arrival(
    scheduler: VirtualScheduler, order: tuple[int, ...]
) -> None:
    call = await given_call(scheduler)
    await scheduler.advance(hours=2)
    results = [(CallRinging, "ringing", 10), (CallMissed, "missed", 20), (CallCompleted, "completed", 30)]

    for n in order:
        await receive(scheduler, call, *results[n])

    assert await status_of(scheduler, call) == "completed"


async def test_a_missed_call_with_misfire_skip_is_cancelled(scheduler: VirtualScheduler) -> None:
    late = await given_call(scheduler)
    skipped = await given_call(scheduler, misfire="skip")

    await scheduler.advance_without_leader(hours=3)

    [command] = await scheduler.published("call.place")
    assert (command.data["call_id"], command.data["late"]) == (late["id"], True)
    assert await status_of(scheduler, skipped) == "cancelled"


async def test_other_users_do_not_see_a_call(scheduler: VirtualScheduler) -> None:
    call = await given_call(scheduler)

    for caller in (BEN, STRANGER):
        for method, body in (("GET", None), ("PATCH", {"note": "x"}), ("DELETE", None)):
            assert (await scheduler.call(caller, method, f"/calls/{call['id']}", body)).status == 404
        assert (await scheduler.call(caller, "GET", "/calls")).body["items"] == []
    assert len((await scheduler.call(ANNA, "GET", "/calls")).body["items"]) == 1
