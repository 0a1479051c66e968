"""Reminders: created, fired, listed, and who may access them."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from .reminders import at, fired_at, given_at_auth, given_reminder, given_user, reminder_body
from .virtual_time import ANNA, BEN, CHIEF, STRANGER, TENANT, VirtualScheduler


async def test_a_reminder_fires_once_at_its_time(scheduler: VirtualScheduler) -> None:
    reminder = await given_reminder(scheduler)

    await scheduler.advance(minutes=59)
    assert await fired_at(scheduler) == []
    await scheduler.advance(days=2)

    [command] = await scheduler.published("reminder.fire")
    assert command.tenant_id == TENANT
    assert command.data == {
        "reminder_id": reminder["id"],
        "user_id": str(ANNA.user_id),
        "lead_id": "lead-7",
        "note": "call back",
        "remind_at": at(hours=1),
        "late": False,
    }
    [event] = await scheduler.published("reminder.fired")
    assert event.data == command.data | {"status": "fired"}
    shown = await scheduler.call(ANNA, "GET", f"/reminders/{reminder['id']}")
    assert (shown.body["status"], shown.body["fired_at"]) == ("fired", at(hours=1))


async def test_a_created_reminder_is_published_and_shown(scheduler: VirtualScheduler) -> None:
    reminder = await given_reminder(scheduler)

    shown = await scheduler.call(ANNA, "GET", f"/reminders/{reminder['id']}")
    [event] = await scheduler.published("reminder.created")

    assert shown.body == reminder
    assert (reminder["status"], reminder["remind_at"], reminder["time_zone"]) == ("scheduled", at(hours=1), "UTC")
    assert event.data["reminder_id"] == reminder["id"]
    assert event.subject == f"reminder/{reminder['id']}"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"remind_at": at(seconds=-61)}, "remind_at"),
        ({"remind_at": "2026-05-04T13:00:00"}, "remind_at"),
        ({"remind_at": "1799053200"}, "remind_at"),
        ({"remind_at": "2026-13-45T13:00:00Z"}, "remind_at"),
        ({"remind_at": 1799053200}, "remind_at"),
        ({"remind_at": "2027-05-04"}, "remind_at"),
        ({"remind_at": "1799053200.5"}, "remind_at"),
        ({"remind_at": "9999-12-31T23:59:59Z"}, "remind_at"),
        ({"recurrence": "FREQ=NEVER"}, "recurrence"),
        ({"recurrence": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}, "recurrence"),
        ({"recurrence": "FREQ=MINUTELY;BYSETPOS=2;BYSECOND=1"}, "recurrence"),
        ({"recurrence": "FREQ=SECONDLY"}, "recurrence"),
        ({"recurrence": "FREQ=DAILY;BYSECOND=1,2"}, "recurrence"),
        ({"recurrence": "FREQ=DAILY;COUNT=0"}, "recurrence"),
        ({"recurrence": "FREQ=DAILY;UNTIL=20260501T000000Z"}, "recurrence"),
        ({"recurrence": "FREQ=DAILY", "time_zone": "Mars/Olympus"}, "time_zone"),
        ({"time_zone": "../../etc/passwd"}, "time_zone"),
        ({"lead_id": ""}, "lead_id"),
        ({"user_id": str(uuid4())}, "user_id"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_an_invalid_reminder_is_refused(scheduler: VirtualScheduler, fields: dict[str, Any], named: str) -> None:
    answer = await scheduler.call(CHIEF, "POST", "/reminders", reminder_body(**fields))

    assert answer.status == 422
    assert answer.body["code"] == "invalid"
    assert answer.body["errors"][0]["loc"] == ["body", named]
    assert await scheduler.published() == []


@pytest.mark.parametrize(
    "text",
    [
        "RRULE:FREQ=DAILY;COUNT=2",
        "freq=daily; count=2",
        "DTSTART:20260504T130000Z\nRRULE:FREQ=DAILY;COUNT=2",
        "DTSTART;TZID=Europe/Berlin:20260504T150000\r\nRRULE:FREQ=DAILY;\r\n COUNT=2\r\n",
    ],
)
async def test_a_rule_is_read_as_calendar_programs_write_it(scheduler: VirtualScheduler, text: str) -> None:
    reminder = await given_reminder(scheduler, recurrence=text, time_zone="Europe/Berlin")
    await scheduler.advance(days=3)

    assert reminder["recurrence"] == "FREQ=DAILY;COUNT=2"
    assert await fired_at(scheduler) == [at(hours=1), at(days=1, hours=1)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("RRULE:FREQ=DAILY;COUNT=2\nEXDATE:20260505T130000Z", "EXDATE"),
        ("RRULE:FREQ=DAILY\nRDATE;TZID=Europe/Berlin:20260505T130000", "RDATE"),
        ("DTSTART:20260504T140000Z\nRRULE:FREQ=DAILY", "DTSTART is not the time of the first reminder"),
        ("DTSTART;TZID=Europe/Berlin:20260504T150000\nRRULE:FREQ=DAILY", "DTSTART is in Europe/Berlin"),
        ("DTSTART:20260504\nRRULE:FREQ=DAILY", "DTSTART:20260504 is not a time"),
        ("DTSTART:20260504T130000Z", "no RRULE"),
        ("RRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY", "one rule"),
        ("BEGIN:VEVENT\nRRULE:FREQ=DAILY", "BEGIN is not supported"),
    ],
)
async def test_calendar_text_that_is_not_supported_is_named(
    scheduler: VirtualScheduler, text: str, reason: str
) -> None:
    answer = await scheduler.call(ANNA, "POST", "/reminders", reminder_body(recurrence=text))

    assert answer.status == 422
    assert answer.body["errors"][0]["loc"] == ["body", "recurrence"]
    assert reason in answer.body["errors"][0]["msg"]


@pytest.mark.parametrize(
    "fields",
    [
        {"recurrence": "FREQ=WEEKLY;BYDAY=TU;COUNT=1"},
        {"recurrence": "FREQ=WEEKLY;BYDAY=TU;UNTIL=20260504T130000Z"},
        {"recurrence": "FREQ=DAILY;COUNT=1", "time_zone": "America/New_York", "remind_at": "2026-11-01T06:30:00Z"},
    ],
)
async def test_the_start_of_a_series_counts_as_one(scheduler: VirtualScheduler, fields: dict[str, Any]) -> None:
    reminder = await given_reminder(scheduler, **fields)
    await scheduler.advance(days=300)

    assert await fired_at(scheduler) == [reminder["remind_at"]]


async def test_a_time_up_to_a_minute_past_counts_as_now(scheduler: VirtualScheduler) -> None:
    await given_reminder(scheduler, remind_at=at(seconds=-59))

    await scheduler.advance(seconds=0)

    assert await fired_at(scheduler) == [at(seconds=-59)]


async def test_one_idempotency_key_creates_one_reminder(scheduler: VirtualScheduler) -> None:
    first = await scheduler.call(ANNA, "POST", "/reminders", reminder_body(), key="k1")
    again = await scheduler.call(ANNA, "POST", "/reminders", reminder_body(), key="k1")
    other = await scheduler.call(ANNA, "POST", "/reminders", reminder_body(note="other"), key="k1")

    assert first.body == again.body
    assert (other.status, other.body["code"]) == (409, "idempotency_conflict")
    assert len(await scheduler.published("reminder.created")) == 1


async def test_a_daily_series_keeps_its_local_time_through_a_year(scheduler: VirtualScheduler) -> None:
    await given_user(scheduler, ANNA.user_id, time_zone="Europe/Berlin")
    await given_reminder(scheduler, remind_at="2026-05-05T07:00:00Z", recurrence="FREQ=DAILY")

    await scheduler.advance(days=365)

    fired = [datetime.fromisoformat(each) for each in await fired_at(scheduler)]
    assert len(fired) == 365
    assert {each.astimezone(UTC).hour for each in fired} == {7, 8}  # summer and winter: nine in Berlin
    winter = [each for each in fired if datetime(2026, 10, 25, tzinfo=UTC) < each < datetime(2027, 3, 28, tzinfo=UTC)]
    assert {each.hour for each in winter} == {8}


async def test_a_series_gets_the_time_zone_its_user_has_just_set(scheduler: VirtualScheduler) -> None:
    await given_user(scheduler, ANNA.user_id, time_zone="America/New_York")
    given_at_auth(scheduler, ANNA.user_id, "Europe/Berlin")

    series = await given_reminder(scheduler, recurrence="FREQ=DAILY")
    named = await given_reminder(scheduler, recurrence="FREQ=DAILY", time_zone="Asia/Tokyo")

    assert (series["time_zone"], named["time_zone"]) == ("Europe/Berlin", "Asia/Tokyo")


async def test_a_series_without_zone_is_refused_while_auth_is_unavailable(scheduler: VirtualScheduler) -> None:
    await given_user(scheduler, ANNA.user_id, time_zone="America/New_York")
    await scheduler.auth.stop()

    series = await scheduler.call(ANNA, "POST", "/reminders", reminder_body(recurrence="FREQ=DAILY"))
    named = await scheduler.call(
        ANNA, "POST", "/reminders", reminder_body(recurrence="FREQ=DAILY", time_zone="Asia/Tokyo")
    )
    single = await scheduler.call(ANNA, "POST", "/reminders", reminder_body())

    assert (series.status, series.body["code"], named.status, single.status) == (503, "unavailable", 201, 201)


async def test_missed_occurrences_fire_once_and_late(scheduler: VirtualScheduler) -> None:
    await given_reminder(scheduler)
    await given_reminder(scheduler, recurrence="FREQ=HOURLY")
    await given_reminder(scheduler, recurrence="FREQ=HOURLY", misfire="skip")
    await given_reminder(scheduler, misfire="skip")

    await scheduler.advance_without_leader(hours=5, minutes=30)

    fired = await scheduler.published("reminder.fire")
    assert [(each.data["remind_at"], each.data["late"]) for each in fired] == [(at(hours=1), True), (at(hours=5), True)]
    statuses = [each["status"] for each in (await scheduler.call(ANNA, "GET", "/reminders")).body["items"]]
    assert sorted(statuses) == ["fired", "scheduled", "scheduled", "skipped"]

    await scheduler.advance(hours=1)
    later = (await scheduler.published("reminder.fire"))[2:]
    assert [(each.data["remind_at"], each.data["late"]) for each in later] == [(at(hours=6), False)] * 2


async def test_only_admins_access_the_reminders_of_other_users(scheduler: VirtualScheduler) -> None:
    reminder = await given_reminder(scheduler)
    path = f"/reminders/{reminder['id']}"

    for caller in (BEN, STRANGER):
        for method, body in (("GET", None), ("PATCH", {"note": "x"}), ("DELETE", None)):
            assert (await scheduler.call(caller, method, path, body)).status == 404
        assert (await scheduler.call(caller, "POST", path + "/snooze", {"until": at(hours=5)})).status == 404
    assert (await scheduler.call(BEN, "GET", f"/reminders?user_id={ANNA.user_id}")).status == 403
    assert (await scheduler.call(BEN, "POST", "/reminders", reminder_body(user_id=str(ANNA.user_id)))).status == 403

    assert (await scheduler.call(CHIEF, "GET", path)).status == 200
    assert len((await scheduler.call(CHIEF, "GET", f"/reminders?user_id={ANNA.user_id}")).body["items"]) == 1
    assert (await scheduler.call(STRANGER, "GET", f"/reminders?user_id={ANNA.user_id}")).body["items"] == []


async def test_an_admin_plans_for_another_user(scheduler: VirtualScheduler) -> None:
    await given_user(scheduler, BEN.user_id)

    answer = await scheduler.call(CHIEF, "POST", "/reminders", reminder_body(user_id=str(BEN.user_id)))

    assert answer.body["user_id"] == str(BEN.user_id)
    assert len((await scheduler.call(BEN, "GET", "/reminders")).body["items"]) == 1


async def test_reminders_are_listed_in_pages_by_time(scheduler: VirtualScheduler) -> None:
    for hour in (3, 1, 2):
        await given_reminder(scheduler, remind_at=at(hours=hour))

    first = await scheduler.call(ANNA, "GET", "/reminders?limit=2")
    rest = await scheduler.call(ANNA, "GET", f"/reminders?limit=2&cursor={first.body['next_cursor']}")

    assert [each["remind_at"] for each in first.body["items"]] == [at(hours=1), at(hours=2)]
    assert [each["remind_at"] for each in rest.body["items"]] == [at(hours=3)]
    assert rest.body["next_cursor"] is None
    assert (await scheduler.call(ANNA, "GET", "/reminders?cursor=nonsense")).status == 422
