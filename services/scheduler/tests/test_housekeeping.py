"""Housekeeping tasks: planned at each start, run on schedule."""

from scheduler.actions import operating
from scheduler.actions.housekeeping import plan_housekeeping
from scheduler.domain.kinds.housekeeping import TASKS
from switchboard.messaging.outbox.unit_of_work import open_work

from .virtual_time import VirtualScheduler


async def start(scheduler: VirtualScheduler) -> None:
    async with open_work(scheduler.database, tenant_id=None) as work:
        await plan_housekeeping(work, scheduler.clock.now())


async def test_each_task_runs_on_schedule_and_the_sweep_at_each_start(scheduler: VirtualScheduler) -> None:
    await start(scheduler)
    await start(scheduler)  # another instance, at the same time
    await scheduler.advance(seconds=0)
    assert [each.type for each in await scheduler.published()] == ["trial.sweep"]

    await scheduler.advance(hours=2)
    await start(scheduler)
    await scheduler.advance(minutes=1)

    done = [each.type for each in await scheduler.published()]
    assert {name: done.count(name) for name in set(done)} == {
        "trial.sweep": 1 + 2 + 1,
        "calls.cleanup": 24,
        "files.cleanup": 2,
    }


async def test_a_paused_task_stays_paused_after_a_start(scheduler: VirtualScheduler) -> None:
    await start(scheduler)
    sweep = next(task for task in TASKS if task.name == "trial.sweep")
    async with open_work(scheduler.database, tenant_id=None) as work:
        await operating.pause(work, scheduler.clock.now(), sweep.id)

    await start(scheduler)
    await scheduler.advance(hours=5)

    assert await scheduler.published("trial.sweep") == []


async def test_run_now_runs_a_task_in_addition_to_its_series(scheduler: VirtualScheduler) -> None:
    await start(scheduler)
    files = next(task for task in TASKS if task.name == "files.cleanup")

    async with open_work(scheduler.database, tenant_id=None) as work:
        await operating.run_now(work, scheduler.clock.now(), files.id)
    await scheduler.advance(minutes=30)

    assert len(await scheduler.published("files.cleanup")) == 2


async def test_a_schedule_that_cannot_be_fired_is_held_and_others_fire(scheduler: VirtualScheduler) -> None:
    await start(scheduler)
    async with scheduler.database.connection() as conn:
        await conn.execute("update schedules set payload = '{}' where payload ->> 'chore' = 'calls.cleanup'")

    await scheduler.advance(hours=1)

    assert len(await scheduler.published("files.cleanup")) == 1
    async with scheduler.database.connection() as conn:
        held = await conn.fetchrow("select held, trouble from schedules where payload = '{}'")
    assert held is not None
    assert tuple(held) == (True, "KeyError: 'chore'")
