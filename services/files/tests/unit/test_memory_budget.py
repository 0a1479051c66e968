"""The memory budget of uploads."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from files.adapters.memory_budget import Busy, MemoryBudget
from switchboard.testing import until


async def test_reservations_wait_first_come_first_served() -> None:
    budget, came = MemoryBudget(10), []

    async def hold(length: int, ending: asyncio.Event) -> None:
        async with budget.reserve(length):
            came.append(length)
            await ending.wait()

    first, rest = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for length, ending in ((7, first), (8, rest), (2, rest)):
            tasks.create_task(hold(length, ending))
        await until(lambda: came == [7])
        first.set()
        await until(lambda: came == [7, 8, 2])
        rest.set()


async def test_a_reservation_that_waits_too_long_is_refused_and_leaves_the_line() -> None:
    budget = MemoryBudget(10, patience=0.05)

    async with AsyncExitStack() as held:
        await held.enter_async_context(budget.reserve(100))  # all there is
        with pytest.raises(Busy) as refusal:
            await budget.reserve(1).__aenter__()

    assert refusal.value.headers["Retry-After"] == "5"
    async with budget.reserve(10):
        pass
