"""Series that are changed: what the user did not change stays as it was meant."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scheduler.actions.zone_rules import plan_by_current_rules

from .reminders import at, fired_at, given_reminder
from .virtual_time import ANNA, VirtualScheduler

SHOWN = ("lead_id", "note", "remind_at", "user_id", "recurrence", "time_zone", "misfire")


async def send_back(scheduler: VirtualScheduler, reminder: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """PATCH what GET shows, with `changes`."""
    path = f"/reminders/{reminder['id']}"
    shown = (await scheduler.call(ANNA, "GET", path)).body
    answer = await scheduler.call(ANNA, "PATCH", path, {name: shown[name] for name in SHOWN} | changes)
    assert answer.status == 200, answer.body
    return dict(answer.body)


async def test_sending_back_a_snoozed_series_does_not_move_it(scheduler: VirtualScheduler) -> None:
    reminder = await given_reminder(scheduler, recurrence="FREQ=DAILY")
    await scheduler.advance(hours=2)
    await scheduler.call(ANNA, "POST", f"/reminders/{reminder['id']}/snooze", {"until": at(hours=5)})

    await send_back(scheduler, reminder, note="bring the offer")
    await scheduler.advance(days=2)

    assert await fired_at(scheduler) == [at(hours=1), at(hours=5), at(days=1, hours=1), at(days=2, hours=1)]


@pytest.mark.parametrize("rule", ["FREQ=DAILY;COUNT=5", "freq=daily; count=5", "RRULE:COUNT=5;FREQ=DAILY"])
async def test_sending_back_a_counted_series_does_not_begin_it_anew(scheduler: VirtualScheduler, rule: str) -> None:
    reminder = await given_reminder(scheduler, recurrence="FREQ=DAILY;COUNT=5")
    await scheduler.advance(days=1, hours=2)

    await send_back(scheduler, reminder, note="bring the offer", recurrence=rule)
    await scheduler.advance(days=30)

    assert await fired_at(scheduler) == [at(days=day, hours=1) for day in range(5)]


async def test_sending_back_a_series_before_a_clock_gap_keeps_its_time(scheduler: VirtualScheduler) -> None:
    zone = {"time_zone": "America/New_York"}
    reminder = await given_reminder(scheduler, remind_at="2027-03-12T07:30:00Z", recurrence="FREQ=DAILY", **zone)
    await scheduler.advance_to(datetime(2027, 3, 13, 12, tzinfo=UTC))

    shown = await send_back(scheduler, reminder, note="early")
    await scheduler.advance(days=2)

    assert shown["remind_at"] == "2027-03-14T07:00:00Z"
    assert (await fired_at(scheduler))[-1] == "2027-03-15T06:30:00Z"


async def test_a_time_without_its_microseconds_is_no_change(scheduler: VirtualScheduler) -> None:
    reminder = await given_reminder(scheduler, remind_at="2026-05-04T13:00:00.123456Z", recurrence="FREQ=DAILY")
    path = f"/reminders/{reminder['id']}"

    answer = await scheduler.call(ANNA, "PATCH", path, {"remind_at": "2026-05-04T13:00:00.123Z"})

    assert answer.body["remind_at"] == reminder["remind_at"]


async def test_another_weekday_first_fires_on_that_day(scheduler: VirtualScheduler) -> None:
    reminder = await given_reminder(scheduler, recurrence="FREQ=WEEKLY;BYDAY=MO")
    await scheduler.advance(days=1)

    shown = await send_back(scheduler, reminder, recurrence="FREQ=WEEKLY;BYDAY=WE")
    await scheduler.advance(days=14)

    assert shown["remind_at"] == at(days=2, hours=1)
    assert await fired_at(scheduler) == [at(hours=1), at(days=2, hours=1), at(days=9, hours=1)]


async def test_a_count_counts_the_whole_series_when_the_rule_changes(scheduler: VirtualScheduler) -> None:
    reminder = await given_reminder(scheduler, recurrence="FREQ=WEEKLY;COUNT=5")
    await scheduler.advance(days=8)
    path = f"/reminders/{reminder['id']}"

    refused = await scheduler.call(ANNA, "PATCH", path, {"recurrence": "FREQ=DAILY;COUNT=2"})
    shown = await send_back(scheduler, reminder, recurrence="FREQ=DAILY;COUNT=5")
    again = await send_back(scheduler, reminder, note="other")
    await scheduler.advance(days=30)

    assert (refused.status, refused.body["errors"][0]["loc"]) == (422, ["body", "recurrence"])
    assert (shown["recurrence"], again["remind_at"]) == ("FREQ=DAILY;COUNT=5", shown["remind_at"])
    days = [0, 7, 8, 9, 10]
    assert await fired_at(scheduler) == [at(days=day, hours=1) for day in days]


async def test_a_moved_counted_series_does_not_count_from_the_start(scheduler: VirtualScheduler) -> None:
    reminder = await given_reminder(scheduler, recurrence="FREQ=DAILY;COUNT=5")
    await scheduler.advance(days=1, hours=2)

    await send_back(scheduler, reminder, remind_at=at(days=2, hours=3))
    await scheduler.advance(days=30)

    moved = [at(days=day, hours=3) for day in (2, 3, 4)]
    assert await fired_at(scheduler) == [at(hours=1), at(days=1, hours=1), *moved]


async def test_a_new_zone_keeps_the_count_and_the_instant_of_the_next_time(scheduler: VirtualScheduler) -> None:
    reminder = await given_reminder(scheduler, recurrence="FREQ=DAILY;COUNT=3")
    await scheduler.advance(hours=2)

    await send_back(scheduler, reminder, time_zone="Asia/Tokyo")
    await scheduler.advance(days=30)

    assert await fired_at(scheduler) == [at(days=day, hours=1) for day in range(3)]


async def test_a_reminder_that_has_fired_needs_another_time(scheduler: VirtualScheduler) -> None:
    reminder = await given_reminder(scheduler)
    await scheduler.advance(hours=1)
    path = f"/reminders/{reminder['id']}"

    same = await scheduler.call(ANNA, "PATCH", path, {"remind_at": reminder["remind_at"], "note": "other"})
    later = await scheduler.call(ANNA, "PATCH", path, {"remind_at": at(hours=4)})

    assert (same.status, later.status) == (409, 200)


OLDER_RULES = """
update schedules set next_at = next_at + $1, planned_at = next_at + $1, time_zone_rules = '2020a'
where recurrence is not null
"""


@pytest.mark.parametrize("shift", [timedelta(hours=1), timedelta(hours=-1), timedelta(0)])
@pytest.mark.parametrize("planned_first", [True, False])
async def test_a_series_planned_by_older_zone_rules_keeps_its_local_time(
    scheduler: VirtualScheduler, shift: timedelta, planned_first: bool
) -> None:
    zone = {"time_zone": "America/Winnipeg"}
    await given_reminder(scheduler, remind_at="2026-12-20T14:00:00Z", recurrence="FREQ=DAILY;COUNT=20", **zone)
    await scheduler.advance_to(datetime(2026, 12, 30, 22, tzinfo=UTC))
    before = len(await fired_at(scheduler))
    async with scheduler.database.connection() as conn:
        await conn.execute(OLDER_RULES, shift)

    if planned_first:
        assert await plan_by_current_rules(scheduler.database) == 1
    await scheduler.advance(days=3)

    assert before == 11
    assert (await fired_at(scheduler))[before:] == [
        f"{day}T14:00:00Z" for day in ("2026-12-31", "2027-01-01", "2027-01-02")
    ]
