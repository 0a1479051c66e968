"""Fixtures of the scheduler's tests."""

from collections.abc import AsyncIterator, Callable

import pytest

from .virtual_time import VirtualScheduler, open_virtual_scheduler


@pytest.fixture
async def scheduler(database_url: Callable[[str], str]) -> AsyncIterator[VirtualScheduler]:
    async with open_virtual_scheduler(database_url("scheduler")) as scheduler:
        yield scheduler
