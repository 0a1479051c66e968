"""Fixtures of the scheduler's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from .world import World, open_world


@pytest.fixture
async def world(database_url: Callable[[str], str]) -> AsyncIterator[World]:
    async with open_world(database_url("scheduler")) as world:
        yield world
