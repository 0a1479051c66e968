"""Each test has a part of real servers to itself."""

from collections.abc import Callable

import aio_pika
import asyncpg
import pytest
import redis.asyncio

from switchboard.testing import until
from switchboard.testing.buckets import client


async def test_a_database_is_fresh_and_has_the_tables_of_its_service(database_url: Callable[[str], str]) -> None:
    first, second = database_url("conversations"), database_url("conversations")

    conn = await asyncpg.connect(first)
    tables = await conn.fetch("select tablename from pg_tables where schemaname = 'public'")
    await conn.close()

    assert first != second
    assert {"outbox", "inbox", "leases"} <= {row["tablename"] for row in tables}


async def test_a_virtual_host_holds_nothing_of_another_test(amqp_url: str) -> None:
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()

        with pytest.raises(aio_pika.exceptions.ChannelNotFoundEntity):
            await channel.get_queue("conversations.commands")


@pytest.mark.parametrize("_again", [1, 2])
async def test_a_redis_database_is_empty(redis_url: str, _again: int) -> None:
    async with redis.asyncio.from_url(redis_url) as server:
        assert await server.dbsize() == 0
        await server.set("left", "behind")


def test_a_bucket_is_empty(bucket: dict[str, str]) -> None:
    assert client(bucket).list_objects_v2(Bucket=bucket["S3_BUCKET"])["KeyCount"] == 0


async def test_until_returns_the_first_truthy_value() -> None:
    answers = iter([None, 0, "here"])

    assert await until(lambda: next(answers)) == "here"


async def test_until_shows_the_last_complaint() -> None:
    async def never() -> bool:
        raise AssertionError("one is not two")

    with pytest.raises(AssertionError, match="one is not two"):
        await until(never, within=0.05)
