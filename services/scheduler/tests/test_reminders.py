"""Reminders, from the wish to the command that tells the user."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from switchboard.contracts.auth import UserCreated, UserUpdated

from .world import ANNA, BEN, CHIEF, NOON, STRANGER, TENANT, World


def at(**later: float) -> str:
    return (NOON + timedelta(**later)).isoformat().replace("+00:00", "Z")


def wish(**fields: Any) -> dict[str, Any]:
    return {"lead_id": "lead-7", "note": "call back", "remind_at": at(hours=1), **fields}


async def given_reminder(world: World, **fields: Any) -> dict[str, Any]:
    answer = await world.call(ANNA, "POST", "/reminders", wish(**fields))
    assert answer.status == 201, answer.body
    return dict(answer.body)


async def given_user(world: World, user_id: UUID, *, time_zone: str | None = None) -> None:
    user = UserCreated(
        user_id=user_id, email="a@b.example", name="A", role="agent", disabled=False, time_zone=time_zone
    )
    await world.hear(user)
    told_by_auth(world, user_id, time_zone)


def told_by_auth(world: World, user_id: UUID, time_zone: str | None) -> None:
    world.auth.known[TENANT, user_id] = UserUpdated(
        user_id=user_id, email="a@b.example", name="A", role="agent", disabled=False, time_zone=time_zone
    )


async def fired_at(world: World) -> list[str]:
    return [command.data["remind_at"] for command in await world.sent("reminder.fire")]


async def test_a_reminder_fires_once_at_its_time(world: World) -> None:
    reminder = await given_reminder(world)

    await world.live_for(minutes=59)
    assert await fired_at(world) == []
    await world.live_for(days=2)

    [command] = await world.sent("reminder.fire")
    assert command.tenant_id == TENANT
    assert command.data == {
        "reminder_id": reminder["id"],
        "user_id": str(ANNA.user_id),
        "lead_id": "lead-7",
        "note": "call back",
        "remind_at": at(hours=1),
        "late": False,
    }
    [event] = await world.sent("reminder.fired")
    assert event.data == command.data | {"status": "fired"}
    shown = await world.call(ANNA, "GET", f"/reminders/{reminder['id']}")
    assert (shown.body["status"], shown.body["fired_at"]) == ("fired", at(hours=1))


async def test_what_was_made_is_told_and_shown(world: World) -> None:
    reminder = await given_reminder(world)

    shown = await world.call(ANNA, "GET", f"/reminders/{reminder['id']}")
    [event] = await world.sent("reminder.created")

    assert shown.body == reminder
    assert (reminder["status"], reminder["remind_at"], reminder["time_zone"]) == ("scheduled", at(hours=1), "UTC")
    assert event.data["reminder_id"] == reminder["id"]
    assert event.subject == f"reminder/{reminder['id']}"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"remind_at": at(seconds=-61)}, "remind_at"),
        ({"remind_at": "2026-05-04T13:00:00"}, "remind_at"),
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
async def test_a_wish_that_makes_no_sense_is_refused(world: World, fields: dict[str, Any], named: str) -> None:
    answer = await world.call(CHIEF, "POST", "/reminders", wish(**fields))

    assert answer.status == 422
    assert answer.body["code"] == "invalid"
    assert answer.body["errors"][0]["loc"] == ["body", named]
    assert await world.sent() == []


async def test_a_minute_ago_is_still_now(world: World) -> None:
    await given_reminder(world, remind_at=at(seconds=-59))

    await world.live_for(seconds=0)

    assert await fired_at(world) == [at(seconds=-59)]


async def test_the_same_key_makes_one_reminder(world: World) -> None:
    first = await world.call(ANNA, "POST", "/reminders", wish(), key="k1")
    again = await world.call(ANNA, "POST", "/reminders", wish(), key="k1")
    other = await world.call(ANNA, "POST", "/reminders", wish(note="other"), key="k1")

    assert first.body == again.body
    assert (other.status, other.body["code"]) == (409, "idempotency_conflict")
    assert len(await world.sent("reminder.created")) == 1


async def test_a_new_time_takes_the_place_of_the_old_one(world: World) -> None:
    reminder = await given_reminder(world)

    answer = await world.call(ANNA, "PATCH", f"/reminders/{reminder['id']}", {"remind_at": at(hours=3)})
    await world.live_for(days=1)

    assert answer.body["remind_at"] == at(hours=3)
    assert await fired_at(world) == [at(hours=3)]
    assert [event.data["remind_at"] for event in await world.sent("reminder.updated")] == [at(hours=3)]


async def test_a_new_note_leaves_the_time_as_it_was(world: World) -> None:
    reminder = await given_reminder(world, recurrence="FREQ=DAILY")

    await world.call(ANNA, "PATCH", f"/reminders/{reminder['id']}", {"note": "bring the offer"})
    await world.live_for(days=1, hours=2)

    fired = await world.sent("reminder.fire")
    assert [command.data["remind_at"] for command in fired] == [at(hours=1), at(days=1, hours=1)]
    assert {command.data["note"] for command in fired} == {"bring the offer"}


async def test_a_reminder_taken_back_never_fires(world: World) -> None:
    reminder = await given_reminder(world)

    gone = await world.call(ANNA, "DELETE", f"/reminders/{reminder['id']}")
    again = await world.call(ANNA, "DELETE", f"/reminders/{reminder['id']}")
    others = await world.call(BEN, "DELETE", f"/reminders/{reminder['id']}")
    await world.live_for(days=1)

    assert (gone.status, again.status, others.status) == (204, 204, 404)
    assert await fired_at(world) == []
    assert (await world.call(ANNA, "GET", f"/reminders/{reminder['id']}")).status == 404
    assert (await world.call(ANNA, "GET", "/reminders")).body["items"] == []
    assert [event.data["status"] for event in await world.sent("reminder.updated")] == ["cancelled"]


async def test_a_reminder_that_has_fired_is_not_taken_back(world: World) -> None:
    reminder = await given_reminder(world)
    await world.live_for(hours=2)

    dropped = await world.call(ANNA, "DELETE", f"/reminders/{reminder['id']}")
    changed = await world.call(ANNA, "PATCH", f"/reminders/{reminder['id']}", {"note": "too late"})

    assert (dropped.status, dropped.body["code"]) == (409, "already_fired")
    assert changed.status == 409


async def test_a_snooze_after_firing_is_one_more_time(world: World) -> None:
    reminder = await given_reminder(world)
    await world.live_for(hours=2)

    answer = await world.call(ANNA, "POST", f"/reminders/{reminder['id']}/snooze", {"until": at(hours=5)})
    await world.live_for(days=1)

    assert (answer.body["status"], answer.body["remind_at"]) == ("scheduled", at(hours=5))
    assert await fired_at(world) == [at(hours=1), at(hours=5)]


async def test_a_snooze_before_firing_puts_a_single_reminder_off(world: World) -> None:
    reminder = await given_reminder(world)

    await world.call(ANNA, "POST", f"/reminders/{reminder['id']}/snooze", {"until": at(hours=5)})
    await world.live_for(days=1)

    assert await fired_at(world) == [at(hours=5)]


async def test_a_snooze_leaves_a_series_as_it_was(world: World) -> None:
    reminder = await given_reminder(world, recurrence="FREQ=DAILY;COUNT=3")
    await world.live_for(hours=2)

    await world.call(ANNA, "POST", f"/reminders/{reminder['id']}/snooze", {"until": at(hours=5)})
    await world.live_for(days=9)

    assert await fired_at(world) == [at(hours=1), at(hours=5), at(days=1, hours=1), at(days=2, hours=1)]
    shown = await world.call(ANNA, "GET", f"/reminders/{reminder['id']}")
    assert shown.body["status"] == "fired"


async def test_a_change_of_zone_leaves_a_snoozed_series_at_its_own_time(world: World) -> None:
    reminder = await given_reminder(world, recurrence="FREQ=DAILY")
    await world.live_for(hours=2)
    await world.call(ANNA, "POST", f"/reminders/{reminder['id']}/snooze", {"until": at(hours=5)})

    await world.call(ANNA, "PATCH", f"/reminders/{reminder['id']}", {"time_zone": "Europe/Berlin"})
    await world.live_for(days=3)

    assert await fired_at(world) == [at(hours=1), *(at(days=day, hours=1) for day in (1, 2, 3))]


@pytest.mark.parametrize("name", ["lead_id", "note", "remind_at", "user_id", "time_zone", "misfire"])
async def test_what_every_reminder_has_cannot_be_taken_away(world: World, name: str) -> None:
    reminder = await given_reminder(world)

    answer = await world.call(ANNA, "PATCH", f"/reminders/{reminder['id']}", {name: None})

    assert (answer.status, answer.body["errors"][0]["loc"]) == (422, ["body", name])


async def test_nine_in_the_morning_stays_nine_through_a_year(world: World) -> None:
    await given_user(world, ANNA.user_id, time_zone="Europe/Berlin")
    await given_reminder(world, remind_at="2026-05-05T07:00:00Z", recurrence="FREQ=DAILY")

    await world.live_for(days=365)

    fired = [datetime.fromisoformat(each) for each in await fired_at(world)]
    assert len(fired) == 365
    assert {each.astimezone(UTC).hour for each in fired} == {7, 8}  # summer and winter: nine in Berlin
    winter = [each for each in fired if datetime(2026, 10, 25, tzinfo=UTC) < each < datetime(2027, 3, 28, tzinfo=UTC)]
    assert {each.hour for each in winter} == {8}


async def test_a_series_keeps_the_zone_that_its_user_has_just_set(world: World) -> None:
    await given_user(world, ANNA.user_id, time_zone="America/New_York")
    told_by_auth(world, ANNA.user_id, "Europe/Berlin")

    series = await given_reminder(world, recurrence="FREQ=DAILY")
    named = await given_reminder(world, recurrence="FREQ=DAILY", time_zone="Asia/Tokyo")

    assert (series["time_zone"], named["time_zone"]) == ("Europe/Berlin", "Asia/Tokyo")


async def test_the_zone_of_a_series_is_not_guessed_while_auth_is_away(world: World) -> None:
    await given_user(world, ANNA.user_id, time_zone="America/New_York")
    await world.auth.stop()

    series = await world.call(ANNA, "POST", "/reminders", wish(recurrence="FREQ=DAILY"))
    named = await world.call(ANNA, "POST", "/reminders", wish(recurrence="FREQ=DAILY", time_zone="Asia/Tokyo"))
    single = await world.call(ANNA, "POST", "/reminders", wish())

    assert (series.status, series.body["code"], named.status, single.status) == (503, "unavailable", 201, 201)


async def test_what_was_missed_fires_once_and_late(world: World) -> None:
    await given_reminder(world)
    await given_reminder(world, recurrence="FREQ=HOURLY")
    await given_reminder(world, recurrence="FREQ=HOURLY", misfire="skip")
    await given_reminder(world, misfire="skip")

    await world.sleep_through(hours=5, minutes=30)

    fired = await world.sent("reminder.fire")
    assert [(each.data["remind_at"], each.data["late"]) for each in fired] == [(at(hours=1), True), (at(hours=5), True)]
    statuses = [each["status"] for each in (await world.call(ANNA, "GET", "/reminders")).body["items"]]
    assert sorted(statuses) == ["fired", "scheduled", "scheduled", "skipped"]

    await world.live_for(hours=1)
    later = (await world.sent("reminder.fire"))[2:]
    assert [(each.data["remind_at"], each.data["late"]) for each in later] == [(at(hours=6), False)] * 2


async def test_a_colleagues_reminders_are_an_admins_business_only(world: World) -> None:
    reminder = await given_reminder(world)
    path = f"/reminders/{reminder['id']}"

    for who in (BEN, STRANGER):
        for method, body in (("GET", None), ("PATCH", {"note": "x"}), ("DELETE", None)):
            assert (await world.call(who, method, path, body)).status == 404
        assert (await world.call(who, "POST", path + "/snooze", {"until": at(hours=5)})).status == 404
    assert (await world.call(BEN, "GET", f"/reminders?user_id={ANNA.user_id}")).status == 403
    assert (await world.call(BEN, "POST", "/reminders", wish(user_id=str(ANNA.user_id)))).status == 403

    assert (await world.call(CHIEF, "GET", path)).status == 200
    assert len((await world.call(CHIEF, "GET", f"/reminders?user_id={ANNA.user_id}")).body["items"]) == 1
    assert (await world.call(STRANGER, "GET", f"/reminders?user_id={ANNA.user_id}")).body["items"] == []


async def test_an_admin_plans_for_a_colleague(world: World) -> None:
    await given_user(world, BEN.user_id)

    answer = await world.call(CHIEF, "POST", "/reminders", wish(user_id=str(BEN.user_id)))

    assert answer.body["user_id"] == str(BEN.user_id)
    assert len((await world.call(BEN, "GET", "/reminders")).body["items"]) == 1


async def test_a_list_comes_in_pages_by_time(world: World) -> None:
    for hour in (3, 1, 2):
        await given_reminder(world, remind_at=at(hours=hour))

    first = await world.call(ANNA, "GET", "/reminders?limit=2")
    rest = await world.call(ANNA, "GET", f"/reminders?limit=2&cursor={first.body['next_cursor']}")

    assert [each["remind_at"] for each in first.body["items"]] == [at(hours=1), at(hours=2)]
    assert [each["remind_at"] for each in rest.body["items"]] == [at(hours=3)]
    assert rest.body["next_cursor"] is None
    assert (await world.call(ANNA, "GET", "/reminders?cursor=nonsense")).status == 422
