"""One Redis client per process, every wait bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from switchboard.runtime.outage import Outage

CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 2.0

AWAY: tuple[type[Exception], ...] = (RedisError, OSError, TimeoutError)
"""What a client raises when Redis is away, or says no."""


class RedisAway(Outage):
    """Redis can't be reached, or gives no answer in time."""


@asynccontextmanager
async def open_redis(url: str, *, answer_within: float = ANSWER_SECONDS) -> AsyncIterator[Redis]:
    """The client. Waits for nobody; a connection that broke while idle is replaced once, at once."""
    client: Redis = Redis.from_url(
        url,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=answer_within,
        retry=Retry(NoBackoff(), 1),
        health_check_interval=15,
        protocol=2,
    )
    try:
        yield client
    finally:
        await client.aclose()


async def check_redis(client: Redis) -> None:
    """Raises `RedisAway` unless it answers."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await client.ping()
    except AWAY as trouble:
        raise RedisAway(f"redis is away: {str(trouble) or type(trouble).__name__}") from trouble
