"""The script that appends to the event log."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from switchboard.event_log import Batch, EventLogWriter, LogEntry
from switchboard.event_log.append_script import APPEND
from switchboard.event_log.batches import BATCHES, channel_of, stored_entry
from switchboard.event_log.writer import LOG
from switchboard.runtime.redis import open_redis
from switchboard.testing import until

TENANT, OTHER = UUID(int=1), UUID(int=2)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with open_redis(redis_url) as redis:
        yield redis


@pytest.fixture
def writer(redis: Redis) -> EventLogWriter:
    return EventLogWriter(redis)


def numbered(sequence: int, *, subject: str = "conversation/1", tenant: UUID = TENANT) -> LogEntry:
    """An entry whose data is its number."""
    text = (str(uuid4()), "conversation.read", "2026-11-26T09:00:00Z", "tenant")
    return LogEntry(tenant, subject, sequence, *text, data=b"%d" % sequence)


def unnumbered() -> LogEntry:
    text = (str(uuid4()), "call.ringing", "2026-11-26T09:00:00Z", "user:1")
    return LogEntry(TENANT, "call/1", None, *text, data=b'{"a b":"c"}', trace="00-1")


async def appended(redis: Redis, tenant: UUID = TENANT) -> list[bytes]:
    """The data of a tenant's entries."""
    return [fields[b"rest"].split(b" ", 4)[4] for _, fields in await stream(redis, f"{LOG}:tenant:{tenant}")]


async def stream(redis: Redis, key: str) -> list[Any]:
    """The ids and fields of a stream."""
    return list(await redis.xrange(key) or ())


async def test_hints_are_taken_in_order_once_and_without_gaps(writer: EventLogWriter, redis: Redis) -> None:
    first, second, third = numbered(1), numbered(2), numbered(3)

    answers = [(await writer.append([entry], in_order=False))[0] for entry in (second, first, third, second, first)]

    assert [min(answer, 1) for answer in answers] == [-1, 1, -1, 1, 0]
    assert await appended(redis) == [b"1", b"2"]


async def test_the_bus_is_trusted_in_order_and_repeats_nothing(writer: EventLogWriter, redis: Redis) -> None:
    await writer.append([numbered(4)], in_order=True)
    answers = await writer.append([numbered(7), numbered(4), numbered(7)], in_order=True)

    assert [min(answer, 1) for answer in answers] == [1, 0, 0]
    assert await appended(redis) == [b"4", b"7"]


async def test_what_the_bus_had_skipped_is_taken_once_when_replayed(writer: EventLogWriter, redis: Redis) -> None:
    await writer.append([numbered(1), numbered(5), numbered(11)], in_order=True)

    hint = await writer.append([numbered(3)], in_order=False)
    replays = await writer.append([numbered(n) for n in (3, 3, 10, 1, 5)], in_order=True)
    next_one = await writer.append([numbered(12), numbered(10), numbered(1)], in_order=False)

    assert hint == [0]
    assert [min(answer, 1) for answer in (*replays, *next_one)] == [1, 0, 1, 0, 0, 1, 0, 0]
    assert await appended(redis) == [b"1", b"5", b"11", b"3", b"10", b"12"]


async def test_of_a_large_gap_the_newest_numbers_may_still_come(writer: EventLogWriter, redis: Redis) -> None:
    for last in (1, 10**6, 10**6 + 100, 10**9):
        await writer.append([numbered(last)], in_order=True)

    answers = await writer.append([numbered(n) for n in (10**9 - 1, 10**9 - 49, 2)], in_order=True)

    assert [min(answer, 1) for answer in answers] == [1, 1, 0]
    assert len(await redis.get(f"{LOG}:subject:{TENANT}:conversation/1") or b"") < 700


async def test_events_without_a_number_are_known_by_their_id(writer: EventLogWriter, redis: Redis) -> None:
    entry = unnumbered()

    for in_order in (False, True):
        await writer.append([entry, replace(entry, data=b"2"), unnumbered()], in_order=in_order)

    assert await appended(redis) == [entry.data] * 3


async def test_subjects_and_tenants_are_numbered_apart(writer: EventLogWriter, redis: Redis) -> None:
    entries = [numbered(1), numbered(1, subject="conversation/2"), numbered(1, tenant=OTHER)]

    answers = await writer.append(entries, in_order=False)

    assert answers == sorted(answers)
    assert min(answers) > 0
    assert (await appended(redis), await appended(redis, OTHER)) == ([b"1", b"1"], [b"1"])


async def test_a_batch_is_published_and_stored_with_its_position(writer: EventLogWriter, redis: Redis) -> None:
    async with redis.pubsub() as heard:
        await heard.subscribe(channel_of(redis))
        await until(lambda: heard.get_message(ignore_subscribe_messages=False), description="the subscription")
        (before,) = await writer.append([numbered(1)], in_order=False)
        entry = unnumbered()
        positions = await writer.append([numbered(1), numbered(2), numbered(9), entry], in_order=False)
        await writer.append([numbered(2)], in_order=False)

        published = []
        while message := await heard.get_message(ignore_subscribe_messages=True, timeout=0.2):
            published.append(message["data"])

    assert published == [fields[b"batch"] for _, fields in await stream(redis, BATCHES)]
    assert [(batch.before, batch.last) for batch in map(Batch.parse, published)] == [
        (0, before),
        (before, positions[-1]),
    ]
    (_, _, first), (tenant, room, second) = Batch.parse(published[1]).entries()
    assert (tenant, room) == (str(TENANT).encode(), b"user:1")
    assert [stored_entry(room, line).position for line in (first, second)] == [positions[1], positions[3]]
    assert stored_entry(room, second).parts == [
        b"call.ringing",
        entry.id.encode(),
        b"2026-11-26T09:00:00Z",
        b"00-1",
        b'{"a b":"c"}',
    ]


async def test_positions_are_times_and_grow_when_the_clock_is_set_back(writer: EventLogWriter, redis: Redis) -> None:
    seconds, _ = await redis.time()
    (now,) = await writer.append([numbered(1)], in_order=False)
    await redis.hset(LOG, "last", str(now + 10**12))

    (later,) = await writer.append([numbered(2)], in_order=False)

    assert 0 <= now // 10**6 - seconds <= 60
    assert later == now + 10**12 + 1
    assert [place for place, _ in await stream(redis, f"{LOG}:tenant:{TENANT}")] == [b"%d-0" % now, b"%d-0" % later]


async def test_every_key_expires(writer: EventLogWriter, redis: Redis) -> None:
    await writer.append([numbered(1), unnumbered()], in_order=False)

    keys = await redis.keys()

    assert len(keys) == 5
    assert [key for key in keys if await redis.ttl(key) <= 0] == []


async def test_a_tenants_log_is_bounded_by_length_and_by_age(writer: EventLogWriter, redis: Redis) -> None:
    await redis.hset(LOG, mapping={"most": 100, "keep": 3600})
    hours = 10**6 * 3600
    (now,) = await writer.append([unnumbered()], in_order=True)
    for tenant in (TENANT, OTHER):
        await redis.delete(f"{LOG}:tenant:{tenant}")
    await redis.xadd(f"{LOG}:tenant:{OTHER}", {"room": "tenant", "rest": "old"}, f"{now - 2 * hours}-0")
    for n in range(99):
        await redis.xadd(f"{LOG}:tenant:{OTHER}", {"room": "tenant", "rest": "old"}, f"{now - 2 * hours + n + 1}-0")

    for n in range(1, 601):
        await writer.append([numbered(n)], in_order=True)
    for n in range(1, 51):
        await writer.append([numbered(n, tenant=OTHER)], in_order=True)

    assert 100 <= len(await appended(redis)) <= 300
    assert (await redis.xlen(f"{LOG}:tenant:{OTHER}")) == 50


async def test_the_script_survives_a_redis_that_forgot_it(writer: EventLogWriter, redis: Redis) -> None:
    await writer.append([numbered(1)], in_order=False)
    await redis.script_flush()

    await writer.append([numbered(2)], in_order=False)
    await writer.append([numbered(3)], in_order=False)

    statistics = await redis.info("commandstats")
    assert await appended(redis) == [b"1", b"2", b"3"]
    assert statistics["cmdstat_evalsha"]["calls"] >= 3
    assert len(APPEND) < 4500  # it is sent again then
