"""A Redis that takes no writes: full, a replica, or loading its data."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest
from redis.asyncio import Redis

from switchboard.event_log import EventLogWriter, LogEntry
from switchboard.runtime.redis import RedisUnavailable, open_redis
from switchboard.testing import until
from switchboard.testing.network import free_port

ENTRY = LogEntry(UUID(int=1), "call/1", None, "1", "call.ringing", "2026-11-26T09:00:00Z", "tenant", b"{}")


@asynccontextmanager
async def running_redis(folder: Path, *options: str) -> AsyncIterator[Redis]:
    port = str(free_port())
    command = ("redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", *options)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    try:
        async with open_redis(f"redis://127.0.0.1:{port}") as redis:
            await until(lambda: _answers(redis), description="a Redis that listens")
            yield redis
    finally:
        process.kill()
        await process.wait()


async def _answers(redis: Redis) -> bool:
    try:
        await redis.ping()
    except RedisUnavailable as error:
        return "loading" in str(error)
    return True


async def test_a_full_redis_is_unavailable(tmp_path: Path) -> None:
    async with running_redis(tmp_path) as redis:
        await redis.config_set("maxmemory", "1")

        with pytest.raises(RedisUnavailable, match="memory"):
            await EventLogWriter(redis).append([ENTRY], in_order=True)

        await redis.config_set("maxmemory", "0")
        assert await EventLogWriter(redis).append([ENTRY], in_order=True) != [0]  # nothing of it had been done


async def test_a_replica_is_unavailable(tmp_path: Path) -> None:
    async with running_redis(tmp_path) as redis:
        await redis.slaveof("127.0.0.1", 1)

        with pytest.raises(RedisUnavailable, match="read only replica"):
            await EventLogWriter(redis).append([ENTRY], in_order=True)

        await redis.slaveof()
        assert await EventLogWriter(redis).append([ENTRY], in_order=True) != [0]


async def test_a_redis_that_is_loading_is_unavailable(tmp_path: Path) -> None:
    async with running_redis(tmp_path) as redis:
        await redis.mset({f"key {n}": n for n in range(10_000)})
        await redis.save()

    slowly = ("--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024")
    async with running_redis(tmp_path, *slowly) as redis:
        with pytest.raises(RedisUnavailable, match="loading"):
            await EventLogWriter(redis).append([ENTRY], in_order=True)
