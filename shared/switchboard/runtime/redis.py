"""The Redis client of a process: every wait has a time limit, and an unavailable server raises `RedisUnavailable`."""

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
    """Redis can't be reached, or does not answer in time."""


REDIS_ERRORS: tuple[type[Exception], ...] = (RedisUnavailable, exceptions.RedisError, OSError, TimeoutError)
"""Every error that a command may raise, an error reply included: for code that goes on without Redis."""

_UNAVAILABLE_ERRORS = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.BusyLoadingError,
    exceptions.ReadOnlyError,
    OSError,
    TimeoutError,
)


@asynccontextmanager
async def open_redis(url: str, *, answer_within: float = ANSWER_SECONDS) -> AsyncIterator[Redis]:
    """The client. Its commands and pipelines raise `RedisUnavailable`. Opens no connection yet.

    A connection that broke while idle is replaced at once. `answer_within`: seconds; a blocking command needs more
    than the time that it blocks.
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
    """Raises `RedisUnavailable` unless Redis answers."""
    with _translate_errors():
        async with asyncio.timeout(CONNECT_SECONDS):
            await client.ping()


class _Client(Redis):
    async def execute_command(self, *args: Any, **options: Any) -> Any:
        with _translate_errors():
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        return _Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


class _Pipeline(Pipeline):
    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        with _translate_errors():
            return await super().execute(raise_on_error)


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except _UNAVAILABLE_ERRORS as error:
        raise RedisUnavailable(f"redis is unavailable: {str(error) or type(error).__name__}") from error
