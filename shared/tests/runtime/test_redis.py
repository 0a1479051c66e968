import asyncio

import pytest
from redis.exceptions import ResponseError

from switchboard.runtime.redis import REDIS_ERRORS, RedisUnavailable, check_redis, open_redis


async def test_commands_and_pipelines_answer(redis_url: str) -> None:
    async with open_redis(redis_url) as client:
        await check_redis(client)
        await client.set("a", "1")
        async with client.pipeline() as pipeline:
            pipeline.get("a")
            pipeline.incr("a")

            assert await pipeline.execute() == [b"1", 2]


async def test_an_idle_connection_that_was_closed_is_replaced(redis_url: str) -> None:
    async with open_redis(redis_url) as client, open_redis(redis_url) as admin:
        number = await client.client_id()

        await admin.client_kill_filter(_id=str(number))

        assert await client.get("a") is None


async def test_an_unreachable_redis_is_unavailable() -> None:
    async with open_redis("redis://127.0.0.1:1") as client:
        pipeline = client.pipeline()
        pipeline.get("a")
        for attempt in (client.get("a"), pipeline.execute(), check_redis(client)):
            with pytest.raises(RedisUnavailable):
                await attempt


async def test_a_redis_that_does_not_answer_is_unavailable_in_time() -> None:
    async def say_nothing(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    async with silent, open_redis(f"redis://127.0.0.1:{port}", answer_within=0.1) as client, asyncio.timeout(5):
        with pytest.raises(RedisUnavailable):
            await client.get("a")


async def test_a_wrong_command_is_a_bug_not_an_outage(redis_url: str) -> None:
    async with open_redis(redis_url) as client:
        await client.set("a", "1")

        with pytest.raises(ResponseError) as raised:
            await client.lpush("a", "1")

    assert isinstance(raised.value, REDIS_ERRORS)
