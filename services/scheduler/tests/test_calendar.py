"""The calendar, `/schedule`: all occurrences in a range of time."""

from datetime import timedelta
from typing import Any

from switchboard.contracts.auth import TenantCreated

from .virtual_time import ANNA, BEN, CHIEF, NOON, STRANGER, TENANT, VirtualScheduler


def at(**later: float) -> str:
    return (NOON + timedelta(**later)).isoformat().replace("+00:00", "Z")


async def given_reminder(scheduler: VirtualScheduler, note: str, **fields: Any) -> str:
    body = {"lead_id": "l", "note": note, **fields}
    answer = await scheduler.call(ANNA, "POST", "/reminders", body)
    assert answer.status == 201, answer.body
    return str(answer.body["id"])


async def given_campaign(scheduler: VirtualScheduler) -> None:
    body = {"name": "Spring", "template": "Hi", "audience": {"all": True}, "send_at": at(hours=3)}
    assert (await scheduler.call(BEN, "POST", "/campaigns", body)).status == 201


async def occurrences(scheduler: VirtualScheduler, caller: Any, since: str, until: str, **more: Any) -> Any:
    query = "&".join(f"{name}={value}" for name, value in {"from": since, "to": until, **more}.items())
    return await scheduler.call(caller, "GET", f"/schedule?{query}")


async def test_every_kind_is_listed_by_time_with_series_expanded(scheduler: VirtualScheduler) -> None:
    await given_reminder(scheduler, "once", remind_at=at(hours=2))
    await given_reminder(scheduler, "daily", remind_at=at(hours=1), recurrence="FREQ=DAILY")
    await given_campaign(scheduler)

    found = await occurrences(scheduler, ANNA, at(), at(days=2))

    assert [(each["at"], each["kind"], each["title"]) for each in found.body["items"]] == [
        (at(hours=1), "reminder", "daily"),
        (at(hours=2), "reminder", "once"),
        (at(hours=3), "campaign", "Spring"),
        (at(days=1, hours=1), "reminder", "daily"),
    ]


async def test_fired_reminders_and_snoozes_of_a_series_are_listed(scheduler: VirtualScheduler) -> None:
    await given_reminder(scheduler, "once", remind_at=at(hours=1))
    series = await given_reminder(scheduler, "daily", remind_at=at(hours=2), recurrence="FREQ=DAILY;COUNT=2")
    await scheduler.advance(hours=3)
    await scheduler.call(ANNA, "POST", f"/reminders/{series}/snooze", {"until": at(hours=5)})

    found = await occurrences(scheduler, ANNA, at(), at(days=9))

    assert [(each["at"], each["status"]) for each in found.body["items"]] == [
        (at(hours=1), "fired"),
        (at(hours=5), "scheduled"),
        (at(days=1, hours=2), "scheduled"),
    ]


async def test_a_dense_series_is_listed_in_pages(scheduler: VirtualScheduler) -> None:
    await given_reminder(scheduler, "often", remind_at=at(hours=1), recurrence="FREQ=MINUTELY")
    await given_reminder(scheduler, "beside", remind_at=at(hours=1))

    seen: list[tuple[str, str]] = []
    cursor: dict[str, str] = {}
    while len(seen) < 1000:
        page = await occurrences(scheduler, ANNA, at(), at(days=300), limit=200, **cursor)
        seen += [(each["at"], each["title"]) for each in page.body["items"]]
        cursor = {"cursor": page.body["next_cursor"]}

    assert [each for each in seen if each[1] == "often"] == [(at(hours=1, minutes=n), "often") for n in range(999)]
    assert len(seen) == len(set(seen)) == 1000


ALIKE = """
insert into schedules (id, kind, tenant_id, user_id, status, next_at, planned_at, revision, misfire, grace, payload,
                       created_at, updated_at)
select gen_random_uuid(), kind, tenant_id, user_id, status, next_at, planned_at, revision, misfire, grace, payload,
       created_at, updated_at
from schedules, generate_series(1, $1)
"""


async def test_each_of_many_schedules_at_one_time_is_on_one_page(scheduler: VirtualScheduler) -> None:
    await given_reminder(scheduler, "once", remind_at=at(hours=1))
    async with scheduler.database.connection() as conn:
        await conn.execute(ALIKE, 10_199)
    await given_reminder(scheduler, "daily", remind_at=at(hours=1), recurrence="FREQ=DAILY;COUNT=2")

    seen: list[str] = []
    cursor: dict[str, str] = {}
    while cursor.get("cursor", "") is not None:
        page = (await occurrences(scheduler, ANNA, at(), at(days=3), limit=200, **cursor)).body
        seen += [each["id"] for each in page["items"]]
        cursor = {"cursor": page["next_cursor"]}

    assert (len(seen), len(set(seen))) == (10_202, 10_201)


async def test_a_range_needs_two_ends_and_is_bounded(scheduler: VirtualScheduler) -> None:
    assert (await occurrences(scheduler, ANNA, at(), at(days=367))).status == 422
    assert (await occurrences(scheduler, ANNA, at(days=1), at())).status == 422
    assert (await occurrences(scheduler, ANNA, "1799053200", "1799056800")).status == 422
    assert (await scheduler.call(ANNA, "GET", "/schedule")).status == 422


async def test_the_calendar_shows_what_the_caller_may_see(scheduler: VirtualScheduler) -> None:
    await given_reminder(scheduler, "anna's", remind_at=at(hours=2))
    trial = TenantCreated(tenant_id=TENANT, name="Acme", status="trial", trial_ends_at=NOON + timedelta(days=1))
    await scheduler.receive(trial)

    async def kinds(caller: Any, **more: Any) -> list[str]:
        return [each["kind"] for each in (await occurrences(scheduler, caller, at(), at(days=2), **more)).body["items"]]

    assert await kinds(BEN) == []
    assert await kinds(STRANGER) == []
    assert await kinds(ANNA) == ["reminder"]
    assert await kinds(CHIEF, user_id=ANNA.user_id) == ["reminder", "trial"]
    assert (await occurrences(scheduler, BEN, at(), at(days=2), user_id=ANNA.user_id)).status == 403
