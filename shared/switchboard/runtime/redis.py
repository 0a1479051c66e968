"""The Redis client of a process: every wait has a time limit, and an unavailable server raises `RedisUnavailable`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from switchboard.runtime.failover import means_failover
from switchboard.runtime.reconnecting import ReconnectGate
from switchboard.runtime.redis_sentinel import open_sentinel_client
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
    exceptions.MasterDownError,
    OSError,
    TimeoutError,
)


_GATES: WeakKeyDictionary[Any, ReconnectGate] = WeakKeyDictionary()
"""By connection pool, which a client shares with its pipelines."""


@asynccontextmanager
async def open_redis(url: str, *, answer_within: float = ANSWER_SECONDS) -> AsyncIterator[Redis]:
    """The client, of one server or of the primary that Sentinels name. Opens no connection yet.

    Its commands and pipelines raise `RedisUnavailable`.
    A connection that broke while idle is replaced at once. `answer_within`: seconds; a blocking command needs more
    than the time that it blocks.
    """
    options: dict[str, Any] = {
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": answer_within,
        "max_connections": MOST_CONNECTIONS,
        "retry": Retry(NoBackoff(), 1, supported_errors=(exceptions.ConnectionError,)),
        "health_check_interval": 15,
        "protocol": 2,
    }
    async with AsyncExitStack() as stack:
        client: Redis
        if "+sentinel" in urlsplit(url).scheme:
            client = await stack.enter_async_context(open_sentinel_client(url, _Client, options))
        else:
            client = _Client.from_url(url, **options)
            stack.push_async_callback(client.aclose)
        _GATES[client.connection_pool] = ReconnectGate()
        yield client


async def check_redis(client: Redis) -> None:
    """Raises `RedisUnavailable` unless Redis answers."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await client.ping()
    except TimeoutError as error:
        raise RedisUnavailable(f"redis is unavailable: no answer within {CONNECT_SECONDS:g} s") from error


class _Client(Redis):
    async def execute_command(self, *args: Any, **options: Any) -> Any:
        async with _TranslatedErrors(self.connection_pool):
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        return _Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


class _Pipeline(Pipeline):
    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        async with _TranslatedErrors(self.connection_pool):
            return await super().execute(raise_on_error)


class _TranslatedErrors:
    """Raises `RedisUnavailable` in place of the client's errors, and leaves a server that is no longer the primary."""

    __slots__ = ("_gate", "_pool")

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._gate = _GATES[pool]

    async def __aenter__(self) -> None:
        if failure := self._gate.last_failure():
            raise RedisUnavailable(f"redis is unavailable: {failure}")

    async def __aexit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if error is None:
            self._gate.succeeded()
            return
        if not (isinstance(error, Exception) and _means_unavailable(error)):
            return
        if isinstance(error, exceptions.ConnectionError) and not isinstance(error, exceptions.MaxConnectionsError):
            self._gate.failed(error)
        if means_failover(error):
            await self._pool.disconnect(inuse_connections=False)
        raise RedisUnavailable(f"redis is unavailable: {str(error) or type(error).__name__}") from error


def _means_unavailable(error: Exception) -> bool:
    return isinstance(error, _UNAVAILABLE_ERRORS) or means_failover(error)
