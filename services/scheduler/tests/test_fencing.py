"""Fencing: one effect of each occurrence, also with another leader, a stopped process or a change at the same time."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from switchboard.contracts.auth import UserUpdated
from switchboard.runtime.unavailable import Unavailable
from switchboard.testing.app import Answer

from .virtual_time import ANNA, NOON, VirtualScheduler


def at(**later: float) -> str:
    return (NOON + timedelta(**later)).isoformat().replace("+00:00", "Z")


async def given_reminders(scheduler: VirtualScheduler, count: int) -> list[str]:
    body = {"lead_id": "l", "note": "as it was", "remind_at": at(hours=1)}
    return [(await scheduler.call(ANNA, "POST", "/reminders", body)).body["id"] for _ in range(count)]


async def while_firing(scheduler: VirtualScheduler, requests: list[tuple[str, str, Any]]) -> list[Answer]:
    """The answers to requests that are made while occurrences fire."""
    firing = asyncio.create_task(scheduler.firer.fire_due())
    answers = await asyncio.gather(*(scheduler.call(ANNA, *request) for request in requests))
    await firing
    return answers


async def fired(scheduler: VirtualScheduler) -> list[str]:
    return [command.data["reminder_id"] for command in await scheduler.published("reminder.fire")]


async def test_a_leader_with_an_ended_term_fires_nothing(scheduler: VirtualScheduler) -> None:
    await given_reminders(scheduler, 3)
    scheduler.clock.set(NOON + timedelta(hours=2))
    async with scheduler.database.connection() as conn:
        await conn.execute("update leases set term = term + 1, holder = 'another' where name = 'scheduler'")
    assert scheduler.firer.lease.held()

    count = await scheduler.firer.fire_due()

    assert count == 0
    assert await fired(scheduler) == []


async def test_a_row_locked_by_a_stopped_process_fires_once_its_session_ends(scheduler: VirtualScheduler) -> None:
    locked, *others = await given_reminders(scheduler, 4)
    scheduler.clock.set(NOON + timedelta(hours=2))

    with suppress(Unavailable):  # its session is ended below it
        async with scheduler.database.connection() as conn:
            await conn.execute("begin")
            await conn.execute("select from schedules where id = $1::text::uuid for update", locked)
            await scheduler.firer.fire_due()  # comes back when nothing is left

    assert sorted(await fired(scheduler)) == sorted([locked, *others])


@pytest.mark.parametrize("method", ["DELETE", "PATCH"])
async def test_a_change_during_firing_takes_effect_before_it_or_is_refused(
    scheduler: VirtualScheduler, method: str
) -> None:
    reminders = await given_reminders(scheduler, 40)
    scheduler.clock.set(NOON + timedelta(hours=1))
    body = {"note": "changed"} if method == "PATCH" else None

    answers = await while_firing(scheduler, [(method, f"/reminders/{each}", body) for each in reminders])

    changes = dict(zip(reminders, answers, strict=True))
    notes = {
        command.data["reminder_id"]: command.data["note"] for command in await scheduler.published("reminder.fire")
    }
    refused = {each for each, answer in changes.items() if answer.status == 409}
    assert {answer.body["code"] for answer in changes.values() if answer.status == 409} <= {"already_fired"}
    if method == "DELETE":
        assert notes == dict.fromkeys(refused, "as it was")
    else:
        assert notes == {each: "as it was" if each in refused else "changed" for each in reminders}
    assert len(await fired(scheduler)) == len(notes)


async def test_a_call_cancelled_during_firing_is_placed_or_cancelled_not_both(scheduler: VirtualScheduler) -> None:
    user = UserUpdated(
        user_id=ANNA.user_id, email="a@b.example", name="A", role="agent", disabled=False, notify_phone="+14155550199"
    )
    await scheduler.receive(user)
    body = {"contact_phone": "+14155550100", "scheduled_at": at(hours=1)}
    calls = [(await scheduler.call(ANNA, "POST", "/calls", body)).body["id"] for _ in range(20)]
    scheduler.clock.set(NOON + timedelta(hours=1))

    answers = await while_firing(scheduler, [("DELETE", f"/calls/{each}", None) for each in calls])

    taken_back = {each for each, answer in zip(calls, answers, strict=True) if answer.status == 204}
    placed = [command.data["call_id"] for command in await scheduler.published("call.place")]
    assert sorted(placed) == sorted(set(calls) - taken_back)
    assert {event.data["call_id"] for event in await scheduler.published("call.cancelled")} == taken_back


async def test_a_campaign_cancelled_during_firing_never_starts_or_is_cancelled(scheduler: VirtualScheduler) -> None:
    body: dict[str, Any] = {"name": "Spring", "template": "Hi", "audience": {"all": True}, "send_at": at(hours=1)}
    campaigns = [(await scheduler.call(ANNA, "POST", "/campaigns", body)).body["id"] for _ in range(20)]
    scheduler.clock.set(NOON + timedelta(hours=1))

    answers = await while_firing(scheduler, [("POST", f"/campaigns/{each}/cancel", None) for each in campaigns])

    assert {answer.status for answer in answers} == {200}
    begun = [command.data["campaign_id"] for command in await scheduler.published("campaign.run")]
    ended = [command.data["campaign_id"] for command in await scheduler.published("campaign.cancel")]
    assert sorted(begun) == sorted(set(ended))
    assert len(ended) == len(set(ended))
