"""Rate limits that are kept in Redis. For Gcra see the tests of conversations."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from switchboard.runtime.background import Stop
from switchboard.runtime.rate_limits import BatchedFixedWindows, FixedWindow, RateLimited
from switchboard.runtime.redis import RedisUnavailable, open_redis
from switchboard.testing import until


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Any]:
    async with open_redis(redis_url) as redis:
        yield redis


async def test_a_fixed_window_opens_with_its_first_event(redis: Any) -> None:
    window = FixedWindow(redis, most=2, seconds=300)

    assert await window.retry_after("failures") is None
    await window.count("failures")
    assert await window.retry_after("failures") is None
    await redis.expire("failures", 100)
    await window.count("failures")

    assert 90 < (await window.retry_after("failures") or 0) <= 100
    assert await redis.get("failures") == b"2"
    assert await window.retry_after("others") is None


async def test_an_event_given_back_after_its_window_leaves_nothing(redis: Any) -> None:
    window = FixedWindow(redis, most=2, seconds=300)
    await window.take("failures")
    await redis.delete("failures")  # the window has ended

    await window.give_back("failures")

    assert 0 < await redis.ttl("failures") <= 300


async def test_a_fixed_window_raises_while_redis_is_unavailable() -> None:
    async with open_redis("redis://127.0.0.1:9") as unreachable:
        window = FixedWindow(unreachable, most=2, seconds=300)
        with pytest.raises(RedisUnavailable):
            await window.retry_after("failures")
        with pytest.raises(RedisUnavailable):
            await window.count("failures")


async def test_batched_windows_are_shared_by_all_instances(redis: Any) -> None:
    windows = [BatchedFixedWindows(redis, seconds=10**6, on_uncounted=lambda: None) for _ in range(2)]
    first, second = (each.limit("rate:user", 5) for each in windows)
    for _ in range(4):
        first.count("anna")
    second.count("anna")

    await _exchange(redis, windows[0], total=4)
    await _exchange(redis, windows[1], total=5)

    first.count("anna")  # this instance knows of 4 so far
    with pytest.raises(RateLimited) as refused:
        second.count("anna")
    assert int(refused.value.headers["Retry-After"]) > 0
    second.count("bob")
    [key] = await redis.keys("rate:user:anna:*")
    assert 10**6 < await redis.ttl(key) <= 2 * 10**6


async def _exchange(redis: Any, windows: BatchedFixedWindows, total: int) -> None:
    """Run one instance until Redis holds this count."""
    stop = Stop()

    async def counted() -> bool:
        return [int(await redis.get(key)) for key in await redis.keys("rate:user:anna:*")] == [total]

    async with asyncio.TaskGroup() as loops:
        loops.create_task(windows.run(stop))
        await until(counted)
        stop.set()
