"""Trial timers, and what the product has done again and again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from scheduler.actions import operating
from scheduler.actions.housekeeping import keep_house
from scheduler.domain.kinds.housekeeping import CHORES
from scheduler.domain.kinds.trial import timer_of
from switchboard.contracts.auth import TenantCreated, TenantTrialExpired, TenantTrialExtended, TenantUpdated
from switchboard.messaging.outbox.unit_of_work import open_work

from .world import NOON, TENANT, World


def tenant(event: type[Any], ends_at: datetime | None, status: str = "trial") -> Any:
    return event(tenant_id=TENANT, name="Acme", status=status, trial_ends_at=ends_at)


async def ends(world: World) -> list[str]:
    return [command.data["trial_ends_at"] for command in await world.sent("trial.expire")]


def text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


async def test_a_trial_ends_at_its_time(world: World) -> None:
    end = NOON + timedelta(seconds=5)
    await world.hear(tenant(TenantCreated, end))

    await world.live_for(seconds=4)
    assert await ends(world) == []
    await world.live_for(seconds=2)

    assert await ends(world) == [text(end)]


async def test_a_trial_extended_in_time_ends_later(world: World) -> None:
    soon, later = NOON + timedelta(seconds=5), NOON + timedelta(days=3)
    await world.hear(tenant(TenantCreated, soon))
    await world.live_for(seconds=4)

    await world.hear(tenant(TenantTrialExtended, later))
    await world.live_for(days=9)

    assert await ends(world) == [text(later)]


async def test_a_trial_extended_after_its_end_ends_again(world: World) -> None:
    soon, later = NOON + timedelta(seconds=5), NOON + timedelta(days=3)
    await world.hear(tenant(TenantCreated, soon))
    await world.live_for(seconds=9)
    await world.hear(tenant(TenantTrialExpired, soon, "expired"))

    await world.hear(tenant(TenantTrialExtended, later))
    await world.live_for(days=9)

    assert await ends(world) == [text(soon), text(later)]


async def test_news_older_than_what_is_known_moves_nothing(world: World) -> None:
    soon, later = NOON + timedelta(seconds=5), NOON + timedelta(days=3)
    await world.hear(tenant(TenantTrialExtended, later), time=NOON + timedelta(seconds=2))

    await world.hear(tenant(TenantCreated, soon), time=NOON + timedelta(seconds=1))
    await world.live_for(days=9)

    assert await ends(world) == [text(later)]


async def test_a_tenant_that_pays_has_no_trial_to_end(world: World) -> None:
    await world.hear(tenant(TenantCreated, NOON + timedelta(days=3)))

    await world.hear(tenant(TenantUpdated, NOON + timedelta(days=3), "active"), time=NOON + timedelta(seconds=1))
    await world.live_for(days=9)

    assert await ends(world) == []


async def test_an_event_that_comes_twice_sets_one_timer(world: World) -> None:
    created = tenant(TenantCreated, NOON + timedelta(seconds=5))
    for _ in range(2):
        await world.hear(created, id=timer_of(TENANT))
    await world.live_for(seconds=9)

    assert len(await ends(world)) == 1


async def start(world: World) -> None:
    async with open_work(world.database, tenant_id=None) as work:
        await keep_house(work, world.clock.now())


async def test_every_chore_is_done_in_its_turn_and_the_sweep_at_each_start(world: World) -> None:
    await start(world)
    await start(world)  # another instance, at the same time
    await world.live_for(seconds=0)
    assert [each.type for each in await world.sent()] == ["trial.sweep"]

    await world.live_for(hours=2)
    await start(world)
    await world.live_for(minutes=1)

    done = [each.type for each in await world.sent()]
    assert {name: done.count(name) for name in set(done)} == {
        "trial.sweep": 1 + 2 + 1,
        "calls.cleanup": 24,
        "files.cleanup": 2,
    }


async def test_a_chore_that_an_operator_paused_stays_paused_over_a_start(world: World) -> None:
    await start(world)
    sweep = next(chore for chore in CHORES if chore.name == "trial.sweep")
    async with open_work(world.database, tenant_id=None) as work:
        await operating.pause(work, world.clock.now(), sweep.id)

    await start(world)
    await world.live_for(hours=5)

    assert await world.sent("trial.sweep") == []


async def test_a_chore_is_run_now_beside_its_series(world: World) -> None:
    await start(world)
    files = next(chore for chore in CHORES if chore.name == "files.cleanup")

    async with open_work(world.database, tenant_id=None) as work:
        await operating.run_now(work, world.clock.now(), files.id)
    await world.live_for(minutes=30)

    assert len(await world.sent("files.cleanup")) == 2


async def test_what_cannot_be_fired_is_held_and_the_rest_goes_on(world: World) -> None:
    await start(world)
    async with world.database.connection() as conn:
        await conn.execute("update schedules set payload = '{}' where payload ->> 'chore' = 'calls.cleanup'")

    await world.live_for(hours=1)

    assert len(await world.sent("files.cleanup")) == 1
    async with world.database.connection() as conn:
        held = await conn.fetchrow("select held, trouble from schedules where payload = '{}'")
    assert held is not None
    assert tuple(held) == (True, "KeyError: 'chore'")
