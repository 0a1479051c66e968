"""The firing loop in which one await fails: it goes on, or ends its process."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from scheduler.actions.planning import SCHEDULES
from scheduler.workers.firing_loop import FiringLoop
from switchboard.testing import until
from switchboard.testing.interrupted_awaits import connection_errors, goes_on_or_ends

from .reminders import fired_at, given_reminder
from .virtual_time import VirtualScheduler


@pytest.mark.parametrize(
    "error",
    [asyncio.CancelledError] + [pytest.param(kind, marks=pytest.mark.slow) for kind in connection_errors(asyncpg)],
)
async def test_an_interrupted_firing_loop_goes_on(scheduler: VirtualScheduler, error: type[BaseException]) -> None:
    async def fire_one() -> None:
        due = scheduler.clock.now() + timedelta(hours=1)
        await given_reminder(scheduler, remind_at=due.isoformat())
        before = len(await fired_at(scheduler))
        scheduler.clock.set(due)
        scheduler.database.notify(SCHEDULES)

        async def fired() -> bool:
            return len(await fired_at(scheduler)) > before

        await until(fired)

    assert await goes_on_or_ends(lambda: FiringLoop(scheduler.firer).run, fire_one, error) > 3
