"""How fast: rates that all instances share, an account that is told to slow down, and Redis being away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from conversations.adapters.provider_rate_limit import Bucket, Pace
from switchboard.runtime.redis import RedisUnavailable, open_redis
from switchboard.testing import until

from .senders import sending
from .world import ANNA, PHONE, TWILIO, World

RATE = 100.0
SLOW = f"slow:{TWILIO.pace_key}"


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Any]:
    async with open_redis(redis_url) as redis:
        yield redis


async def test_instances_together_never_go_faster_than_the_rate(redis: Any) -> None:
    paces = [_pace(redis) for _ in range(3)]
    granted = 0
    started = await _now(redis)

    async def take_what_there_is(pace: Pace) -> None:
        nonlocal granted
        for _ in range(40):
            grant = await pace.grant(_buckets(pace), 20)
            granted += grant.count
            await asyncio.sleep(0 if grant.count else 0.005)

    await asyncio.gather(*map(take_what_there_is, paces))

    took = await _now(redis) - started
    assert 0 < granted <= RATE * (took + 0.1) + 1  # 0.1 s: the burst


async def test_the_slowest_of_account_tenant_and_campaign_bounds(redis: Any) -> None:
    pace = _pace(redis)
    buckets = pace.buckets(TWILIO, "tenant", "campaign", 20.0)

    assert [(bucket.rate, bucket.slowed_by) for bucket in buckets] == [(RATE, SLOW), (1000.0, ""), (20.0, "")]
    assert (await pace.grant(buckets, 50)).count == 2  # a burst of a tenth of a second
    refused = await pace.grant(buckets, 50)
    assert refused.count == 0
    assert 0 < refused.wait <= 1 / 20


async def test_an_account_that_says_429_waits_goes_on_at_half_its_pace_and_recovers(redis: Any) -> None:
    pace, other = _pace(redis), _pace(redis)

    await pace.slow_down(TWILIO, after=300.0)
    assert float(await redis.hget(SLOW, "factor")) == 0.5
    await redis.hset(SLOW, "halved", await _now(redis) + 1000)  # the next 429 is of the same moment
    await pace.slow_down(TWILIO, after=0.5)

    blocked = await other.grant(_buckets(other), 20)
    assert blocked.count == 0
    assert 200 < blocked.wait <= 300
    assert float(await redis.hget(SLOW, "factor")) >= 0.5

    await redis.hset(SLOW, mapping={"blocked": 0, "factor": 0.5, "since": await _now(redis) + 1000})  # no recovery yet
    assert (await other.grant(_buckets(other), 20)).count == 5  # a tenth of a second at half of 100
    await redis.hset(SLOW, "since", await _now(redis) - 10)
    await redis.delete(f"pace:{TWILIO.pace_key}")
    assert (await other.grant(_buckets(other), 20)).count == 10


async def test_what_was_not_used_is_given_back(redis: Any) -> None:
    pace = _pace(redis)
    bucket = [Bucket("pace:slow", 0.01)]

    assert (await pace.grant(bucket, 1)).count == 1
    assert (await pace.grant(bucket, 1)).count == 0
    await pace.give_back(bucket, 1)
    assert (await pace.grant(bucket, 1)).count == 1


async def test_without_redis_nothing_is_granted_and_slowing_down_does_no_harm() -> None:
    async with open_redis("redis://127.0.0.1:9") as nowhere:
        pace = _pace(nowhere)
        with pytest.raises(RedisUnavailable):
            await pace.grant(_buckets(pace), 1)
        await pace.slow_down(TWILIO, 1.0)
        await pace.give_back(_buckets(pace), 1)


async def test_messages_wait_while_redis_is_away_and_go_out_when_it_is_back(world: World, redis_url: str) -> None:
    async with sending(world, "redis://127.0.0.1:9"):
        await world.say(ANNA, PHONE, "hello")
        await asyncio.sleep(0.5)
        assert await world.fetch("select status, attempts from deliveries") == [{"status": "pending", "attempts": 0}]

    async with sending(world, redis_url):
        await until(lambda: world.fetch("select from deliveries where status = 'delivered' and attempts = 1"))


def _pace(redis: Any) -> Pace:
    return Pace(redis, provider_rate=RATE, tenant_rate=1000.0)


def _buckets(pace: Pace) -> list[Bucket]:
    return pace.buckets(TWILIO, "tenant", None, None)


async def _now(redis: Any) -> float:
    seconds, micros = await redis.time()
    return int(seconds) + int(micros) / 1_000_000
