"""`/schedule`: all that is due in a window."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from switchboard.contracts.auth import TenantCreated

from .world import ANNA, BEN, CHIEF, NOON, STRANGER, TENANT, World


def at(**later: float) -> str:
    return (NOON + timedelta(**later)).isoformat().replace("+00:00", "Z")


async def given_reminder(world: World, note: str, **fields: Any) -> str:
    body = {"lead_id": "l", "note": note, **fields}
    answer = await world.call(ANNA, "POST", "/reminders", body)
    assert answer.status == 201, answer.body
    return str(answer.body["id"])


async def given_campaign(world: World) -> None:
    body = {"name": "Spring", "template": "Hi", "audience": {"all": True}, "send_at": at(hours=3)}
    assert (await world.call(BEN, "POST", "/campaigns", body)).status == 201


async def window(world: World, who: Any, since: str, until: str, **more: Any) -> Any:
    query = "&".join(f"{name}={value}" for name, value in {"from": since, "to": until, **more}.items())
    return await world.call(who, "GET", f"/schedule?{query}")


async def test_every_kind_stands_in_it_by_time_and_series_are_unrolled(world: World) -> None:
    await given_reminder(world, "once", remind_at=at(hours=2))
    await given_reminder(world, "daily", remind_at=at(hours=1), recurrence="FREQ=DAILY")
    await given_campaign(world)

    found = await window(world, ANNA, at(), at(days=2))

    assert [(each["at"], each["kind"], each["title"]) for each in found.body["items"]] == [
        (at(hours=1), "reminder", "daily"),
        (at(hours=2), "reminder", "once"),
        (at(hours=3), "campaign", "Spring"),
        (at(days=1, hours=1), "reminder", "daily"),
    ]


async def test_what_has_fired_stands_at_its_time_and_a_snooze_beside_its_series(world: World) -> None:
    await given_reminder(world, "once", remind_at=at(hours=1))
    series = await given_reminder(world, "daily", remind_at=at(hours=2), recurrence="FREQ=DAILY;COUNT=2")
    await world.live_for(hours=3)
    await world.call(ANNA, "POST", f"/reminders/{series}/snooze", {"until": at(hours=5)})

    found = await window(world, ANNA, at(), at(days=9))

    assert [(each["at"], each["status"]) for each in found.body["items"]] == [
        (at(hours=1), "fired"),
        (at(hours=5), "scheduled"),
        (at(days=1, hours=2), "scheduled"),
    ]


async def test_a_dense_series_comes_in_pages(world: World) -> None:
    await given_reminder(world, "often", remind_at=at(hours=1), recurrence="FREQ=MINUTELY")
    await given_reminder(world, "beside", remind_at=at(hours=1))

    seen: list[tuple[str, str]] = []
    cursor: dict[str, str] = {}
    while len(seen) < 1000:
        page = await window(world, ANNA, at(), at(days=300), limit=200, **cursor)
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


async def test_however_many_are_due_at_one_time_each_is_on_one_page(world: World) -> None:
    await given_reminder(world, "once", remind_at=at(hours=1))
    async with world.database.connection() as conn:
        await conn.execute(ALIKE, 10_199)
    await given_reminder(world, "daily", remind_at=at(hours=1), recurrence="FREQ=DAILY;COUNT=2")

    seen: list[str] = []
    cursor: dict[str, str] = {}
    while cursor.get("cursor", "") is not None:
        page = (await window(world, ANNA, at(), at(days=3), limit=200, **cursor)).body
        seen += [each["id"] for each in page["items"]]
        cursor = {"cursor": page["next_cursor"]}

    assert (len(seen), len(set(seen))) == (10_202, 10_201)


async def test_a_window_has_two_ends_and_a_bound(world: World) -> None:
    assert (await window(world, ANNA, at(), at(days=367))).status == 422
    assert (await window(world, ANNA, at(days=1), at())).status == 422
    assert (await world.call(ANNA, "GET", "/schedule")).status == 422


async def test_it_shows_what_the_caller_may_see(world: World) -> None:
    await given_reminder(world, "anna's", remind_at=at(hours=2))
    trial = TenantCreated(tenant_id=TENANT, name="Acme", status="trial", trial_ends_at=NOON + timedelta(days=1))
    await world.hear(trial)

    async def kinds(who: Any, **more: Any) -> list[str]:
        return [each["kind"] for each in (await window(world, who, at(), at(days=2), **more)).body["items"]]

    assert await kinds(BEN) == []
    assert await kinds(STRANGER) == []
    assert await kinds(ANNA) == ["reminder"]
    assert await kinds(CHIEF, user_id=ANNA.user_id) == ["reminder", "trial"]
    assert (await window(world, BEN, at(), at(days=2), user_id=ANNA.user_id)).status == 403
