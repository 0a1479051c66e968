"""One effect for each occurrence, whoever acts at the same moment: another leader, a stopped process, a person."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from switchboard.contracts.auth import UserUpdated
from switchboard.runtime.unavailable import Unavailable
from switchboard.testing.app import Answer

from .world import ANNA, NOON, World


def at(**later: float) -> str:
    return (NOON + timedelta(**later)).isoformat().replace("+00:00", "Z")


async def given_reminders(world: World, count: int) -> list[str]:
    body = {"lead_id": "l", "note": "as it was", "remind_at": at(hours=1)}
    return [(await world.call(ANNA, "POST", "/reminders", body)).body["id"] for _ in range(count)]


async def while_firing(world: World, requests: list[tuple[str, str, Any]]) -> list[Answer]:
    """The answers to requests that are made while the leader fires."""
    firing = asyncio.create_task(world.leader.fire_due())
    answers = await asyncio.gather(*(world.call(ANNA, *request) for request in requests))
    await firing
    return answers


async def fired(world: World) -> list[str]:
    return [command.data["reminder_id"] for command in await world.sent("reminder.fire")]


async def test_a_leader_whose_term_has_ended_fires_nothing_though_it_still_trusts_its_lease(world: World) -> None:
    await given_reminders(world, 3)
    world.clock.set(NOON + timedelta(hours=2))
    async with world.database.connection() as conn:
        await conn.execute("update leases set term = term + 1, holder = 'another' where name = 'scheduler'")
    assert world.leader.lease.held()

    count = await world.leader.fire_due()

    assert count == 0
    assert await fired(world) == []


async def test_what_a_stopped_process_holds_locked_is_fired_when_the_server_has_ended_its_session(world: World) -> None:
    locked, *others = await given_reminders(world, 4)
    world.clock.set(NOON + timedelta(hours=2))

    with suppress(Unavailable):  # its session is ended below it
        async with world.database.connection() as conn:
            await conn.execute("begin")
            await conn.execute("select from schedules where id = $1::text::uuid for update", locked)
            await world.leader.fire_due()  # comes back when nothing is left

    assert sorted(await fired(world)) == sorted([locked, *others])


@pytest.mark.parametrize("method", ["DELETE", "PATCH"])
async def test_a_change_at_the_moment_of_firing_comes_before_it_or_is_refused(world: World, method: str) -> None:
    reminders = await given_reminders(world, 40)
    world.clock.set(NOON + timedelta(hours=1))
    body = {"note": "changed"} if method == "PATCH" else None

    answers = await while_firing(world, [(method, f"/reminders/{each}", body) for each in reminders])

    changes = dict(zip(reminders, answers, strict=True))
    notes = {command.data["reminder_id"]: command.data["note"] for command in await world.sent("reminder.fire")}
    refused = {each for each, answer in changes.items() if answer.status == 409}
    assert {answer.body["code"] for answer in changes.values() if answer.status == 409} <= {"already_fired"}
    if method == "DELETE":
        assert notes == dict.fromkeys(refused, "as it was")
    else:
        assert notes == {each: "as it was" if each in refused else "changed" for each in reminders}
    assert len(await fired(world)) == len(notes)


async def test_a_call_taken_back_at_its_moment_is_placed_or_taken_back_never_both(world: World) -> None:
    user = UserUpdated(
        user_id=ANNA.user_id, email="a@b.example", name="A", role="agent", disabled=False, notify_phone="+14155550199"
    )
    await world.hear(user)
    body = {"contact_phone": "+14155550100", "scheduled_at": at(hours=1)}
    calls = [(await world.call(ANNA, "POST", "/calls", body)).body["id"] for _ in range(20)]
    world.clock.set(NOON + timedelta(hours=1))

    answers = await while_firing(world, [("DELETE", f"/calls/{each}", None) for each in calls])

    taken_back = {each for each, answer in zip(calls, answers, strict=True) if answer.status == 204}
    placed = [command.data["call_id"] for command in await world.sent("call.place")]
    assert sorted(placed) == sorted(set(calls) - taken_back)
    assert {event.data["call_id"] for event in await world.sent("call.cancelled")} == taken_back


async def test_a_campaign_cancelled_at_its_moment_does_not_begin_or_is_told_to_end(world: World) -> None:
    body: dict[str, Any] = {"name": "Spring", "template": "Hi", "audience": {"all": True}, "send_at": at(hours=1)}
    campaigns = [(await world.call(ANNA, "POST", "/campaigns", body)).body["id"] for _ in range(20)]
    world.clock.set(NOON + timedelta(hours=1))

    answers = await while_firing(world, [("POST", f"/campaigns/{each}/cancel", None) for each in campaigns])

    assert {answer.status for answer in answers} == {200}
    begun = [command.data["campaign_id"] for command in await world.sent("campaign.run")]
    ended = [command.data["campaign_id"] for command in await world.sent("campaign.cancel")]
    assert sorted(begun) == sorted(set(ended))
    assert len(ended) == len(set(ended))
