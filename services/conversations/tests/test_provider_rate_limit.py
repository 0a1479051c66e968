"""Rate limits that all instances share, slow-downs after a 429, and an unavailable Redis."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from conversations.adapters.provider_rate_limit import ProviderRateLimit
from switchboard.runtime.rate_limits import Rate
from switchboard.runtime.redis import RedisUnavailable, open_redis
from switchboard.testing import until

from .client import ANNA, PHONE, TWILIO, ConversationsClient
from .workers import running_workers

RATE = 100.0
SLOW = f"slow:{TWILIO.rate_limit_key}"


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Any]:
    async with open_redis(redis_url) as redis:
        yield redis


async def test_all_instances_together_keep_the_rate_limit(redis: Any) -> None:
    limits = [_rate_limit(redis) for _ in range(3)]
    granted = 0
    started = await _now(redis)

    async def take_all_granted(limit: ProviderRateLimit) -> None:
        nonlocal granted
        for _ in range(40):
            grant = await limit.grant(_rates(limit), 20)
            granted += grant.count
            await asyncio.sleep(0 if grant.count else 0.005)

    await asyncio.gather(*map(take_all_granted, limits))

    took = await _now(redis) - started
    assert 0 < granted <= RATE * (took + 0.1) + 1  # 0.1 s: the burst


async def test_the_lowest_limit_of_account_tenant_and_campaign_applies(redis: Any) -> None:
    limit = _rate_limit(redis)
    rates = limit.rates(TWILIO, "tenant", "campaign", 20.0)

    assert [(rate.per_second, rate.slowed_by) for rate in rates] == [(RATE, SLOW), (1000.0, ""), (20.0, "")]
    assert (await limit.grant(rates, 50)).count == 2  # a burst of a tenth of a second
    refused = await limit.grant(rates, 50)
    assert refused.count == 0
    assert 0 < refused.wait <= 1 / 20


async def test_an_account_pauses_after_a_429_continues_slower_and_recovers(redis: Any) -> None:
    limit, other = _rate_limit(redis), _rate_limit(redis)

    await limit.slow_down(TWILIO, after=300.0)
    assert float(await redis.hget(SLOW, "factor")) == 0.5
    await redis.hset(SLOW, "halved", await _now(redis) + 1000)  # the next 429 comes within half a second
    await limit.slow_down(TWILIO, after=0.5)

    blocked = await other.grant(_rates(other), 20)
    assert blocked.count == 0
    assert 200 < blocked.wait <= 300
    assert float(await redis.hget(SLOW, "factor")) >= 0.5

    await redis.hset(SLOW, mapping={"blocked": 0, "factor": 0.5, "since": await _now(redis) + 1000})  # no recovery yet
    assert (await other.grant(_rates(other), 20)).count == 5  # a tenth of a second at half of 100
    await redis.hset(SLOW, "since", await _now(redis) - 10)
    await redis.delete(f"pace:{TWILIO.rate_limit_key}")
    assert (await other.grant(_rates(other), 20)).count == 10


async def test_unused_grants_are_given_back(redis: Any) -> None:
    limit = _rate_limit(redis)
    rates = [Rate("pace:slow", 0.01)]

    assert (await limit.grant(rates, 1)).count == 1
    assert (await limit.grant(rates, 1)).count == 0
    await limit.give_back(rates, 1)
    assert (await limit.grant(rates, 1)).count == 1


async def test_without_redis_nothing_is_granted_and_slowing_down_is_ignored() -> None:
    async with open_redis("redis://127.0.0.1:9") as redis:
        limit = _rate_limit(redis)
        with pytest.raises(RedisUnavailable):
            await limit.grant(_rates(limit), 1)
        await limit.slow_down(TWILIO, 1.0)
        await limit.give_back(_rates(limit), 1)


async def test_messages_wait_while_redis_is_unavailable_and_are_sent_later(
    client: ConversationsClient, redis_url: str
) -> None:
    async with running_workers(client, "redis://127.0.0.1:9"):
        await client.say(ANNA, PHONE, "hello")
        await asyncio.sleep(0.5)
        assert await client.fetch("select status, attempts from deliveries") == [{"status": "pending", "attempts": 0}]

    async with running_workers(client, redis_url):
        await until(lambda: client.fetch("select from deliveries where status = 'delivered' and attempts = 1"))


def _rate_limit(redis: Any) -> ProviderRateLimit:
    return ProviderRateLimit(redis, provider_rate=RATE, tenant_rate=1000.0)


def _rates(limit: ProviderRateLimit) -> list[Rate]:
    return limit.rates(TWILIO, "tenant", None, None)


async def _now(redis: Any) -> float:
    seconds, micros = await redis.time()
    return int(seconds) + int(micros) / 1_000_000
