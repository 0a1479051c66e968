"""Reminders: changed, snoozed, cancelled."""

import pytest

from .reminders import at, fired_at, given_reminder
from .virtual_time import ANNA, BEN, VirtualScheduler


async def test_a_new_time_replaces_the_old_one(scheduler: VirtualScheduler) -> None:
    reminder = await given_reminder(scheduler)

    answer = await scheduler.call(ANNA, "PATCH", f"/reminders/{reminder['id']}", {"remind_at": at(hours=3)})
    await scheduler.advance(days=1)

    assert answer.body["remind_at"] == at(hours=3)
    assert await fired_at(scheduler) == [at(hours=3)]
    assert [event.data["remind_at"] for event in await scheduler.published("reminder.updated")] == [at(hours=3)]


async def test_a_new_note_does_not_change_the_time(scheduler: VirtualScheduler) -> None:
    reminder = await given_reminder(scheduler, recurrence="FREQ=DAILY")

    await scheduler.call(ANNA, "PATCH", f"/reminders/{reminder['id']}", {"note": "bring the offer"})
    await scheduler.advance(days=1, hours=2)

    fired = await scheduler.published("reminder.fire")
    assert [command.data["remind_at"] for command in fired] == [at(hours=1), at(days=1, hours=1)]
    assert {command.data["note"] for command in fired} == {"bring the offer"}


async def test_a_cancelled_reminder_never_fires(scheduler: VirtualScheduler) -> None:
    reminder = await given_reminder(scheduler)

    gone = await scheduler.call(ANNA, "DELETE", f"/reminders/{reminder['id']}")
    again = await scheduler.call(ANNA, "DELETE", f"/reminders/{reminder['id']}")
    others = await scheduler.call(BEN, "DELETE", f"/reminders/{reminder['id']}")
    await scheduler.advance(days=1)

    assert (gone.status, again.status, others.status) == (204, 204, 404)
    assert await fired_at(scheduler) == []
    assert (await scheduler.call(ANNA, "GET", f"/reminders/{reminder['id']}")).status == 404
    assert (await scheduler.call(ANNA, "GET", "/reminders")).body["items"] == []
    assert [event.data["status"] for event in await scheduler.published("reminder.updated")] == ["cancelled"]


async def test_a_reminder_that_has_fired_cannot_be_cancelled(scheduler: VirtualScheduler) -> None:
    reminder = await given_reminder(scheduler)
    await scheduler.advance(hours=2)

    dropped = await scheduler.call(ANNA, "DELETE", f"/reminders/{reminder['id']}")
    changed = await scheduler.call(ANNA, "PATCH", f"/reminders/{reminder['id']}", {"note": "too late"})

    assert (dropped.status, dropped.body["code"]) == (409, "already_fired")
    assert changed.status == 409


async def test_a_snooze_after_firing_reminds_once_more(scheduler: VirtualScheduler) -> None:
    reminder = await given_reminder(scheduler)
    await scheduler.advance(hours=2)

    answer = await scheduler.call(ANNA, "POST", f"/reminders/{reminder['id']}/snooze", {"until": at(hours=5)})
    await scheduler.advance(days=1)

    assert (answer.body["status"], answer.body["remind_at"]) == ("scheduled", at(hours=5))
    assert await fired_at(scheduler) == [at(hours=1), at(hours=5)]


async def test_a_snooze_before_firing_delays_a_single_reminder(scheduler: VirtualScheduler) -> None:
    reminder = await given_reminder(scheduler)

    await scheduler.call(ANNA, "POST", f"/reminders/{reminder['id']}/snooze", {"until": at(hours=5)})
    await scheduler.advance(days=1)

    assert await fired_at(scheduler) == [at(hours=5)]


async def test_a_snooze_does_not_change_a_series(scheduler: VirtualScheduler) -> None:
    reminder = await given_reminder(scheduler, recurrence="FREQ=DAILY;COUNT=3")
    await scheduler.advance(hours=2)

    await scheduler.call(ANNA, "POST", f"/reminders/{reminder['id']}/snooze", {"until": at(hours=5)})
    await scheduler.advance(days=9)

    assert await fired_at(scheduler) == [at(hours=1), at(hours=5), at(days=1, hours=1), at(days=2, hours=1)]
    shown = await scheduler.call(ANNA, "GET", f"/reminders/{reminder['id']}")
    assert shown.body["status"] == "fired"


async def test_a_new_time_zone_keeps_the_time_of_a_snoozed_series(scheduler: VirtualScheduler) -> None:
    reminder = await given_reminder(scheduler, recurrence="FREQ=DAILY")
    await scheduler.advance(hours=2)
    await scheduler.call(ANNA, "POST", f"/reminders/{reminder['id']}/snooze", {"until": at(hours=5)})

    await scheduler.call(ANNA, "PATCH", f"/reminders/{reminder['id']}", {"time_zone": "Europe/Berlin"})
    await scheduler.advance(days=3)

    assert await fired_at(scheduler) == [at(hours=1), *(at(days=day, hours=1) for day in (1, 2, 3))]


@pytest.mark.parametrize("name", ["lead_id", "note", "remind_at", "user_id", "time_zone", "misfire"])
async def test_a_required_field_cannot_be_removed(scheduler: VirtualScheduler, name: str) -> None:
    reminder = await given_reminder(scheduler)

    answer = await scheduler.call(ANNA, "PATCH", f"/reminders/{reminder['id']}", {name: None})

    assert (answer.status, answer.body["errors"][0]["loc"]) == (422, ["body", name])
