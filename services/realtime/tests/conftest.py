"""Fixtures of realtime's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from .world import World, open_world


@pytest.fixture
async def world(amqp_url: str, redis_url: str) -> AsyncIterator[World]:
    """One instance, and the means to have more."""
    async with open_world(amqp_url, redis_url) as world:
        await world.start()
        yield world
