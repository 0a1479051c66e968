"""One Redis client per process, every wait bounded, and its being away told apart from bugs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from switchboard.runtime.unavailable import Unavailable

CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 2.0
MOST_CONNECTIONS = 256


class RedisUnavailable(Unavailable):
    """Redis can't be reached, or gives no answer in time."""


UNAVAILABLE: tuple[type[Exception], ...] = (RedisUnavailable, exceptions.RedisError, OSError, TimeoutError)
"""For those who go on without Redis: whatever it raises, saying no included."""

_UNREACHABLE = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.BusyLoadingError,
    exceptions.ReadOnlyError,
    OSError,
    TimeoutError,
)


@asynccontextmanager
async def open_redis(url: str, *, answer_within: float = ANSWER_SECONDS) -> AsyncIterator[Redis]:
    """The client; its commands and pipelines raise `RedisUnavailable`. Waits for nobody.

    A connection that broke while idle is replaced once, at once. `answer_within`: seconds; a command that blocks on
    purpose needs more than it blocks.
    """
    client: Redis = _Client.from_url(
        url,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=answer_within,
        max_connections=MOST_CONNECTIONS,
        retry=Retry(NoBackoff(), 1, supported_errors=(exceptions.ConnectionError,)),
        health_check_interval=15,
        protocol=2,
    )
    try:
        yield client
    finally:
        await client.aclose()


async def check_redis(client: Redis) -> None:
    """Raises `RedisUnavailable` unless it answers."""
    with _translated():
        async with asyncio.timeout(CONNECT_SECONDS):
            await client.ping()


class _Client(Redis):
    async def execute_command(self, *args: Any, **options: Any) -> Any:
        with _translated():
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        return _Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


class _Pipeline(Pipeline):
    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        with _translated():
            return await super().execute(raise_on_error)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except _UNREACHABLE as trouble:
        raise RedisUnavailable(f"redis is away: {str(trouble) or type(trouble).__name__}") from trouble
