"""The Redis client of a process: every wait has a time limit, and an unavailable server raises `RedisUnavailable`."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

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
_UNAVAILABLE_REPLIES = ("READONLY ", "LOADING ", "MASTERDOWN ", "NOREPLICAS ", "MISCONF ")
"""Error replies of a Redis that is no primary, or must not write: it is not the command's fault."""


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
        with _translate_errors(self.connection_pool):
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        return _Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


class _Pipeline(Pipeline):
    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        with _translate_errors(self.connection_pool):
            return await super().execute(raise_on_error)


@contextmanager
def _translate_errors(pool: Any) -> Iterator[None]:
    gate = _GATES[pool]
    if failure := gate.last_failure():
        raise RedisUnavailable(f"redis is unavailable: {failure}")
    try:
        yield
    except (*_UNAVAILABLE_ERRORS, exceptions.ResponseError) as error:
        if not _means_unavailable(error):
            raise
        if isinstance(error, exceptions.ConnectionError) and not isinstance(error, exceptions.MaxConnectionsError):
            gate.failed(error)
        raise RedisUnavailable(f"redis is unavailable: {str(error) or type(error).__name__}") from error
    gate.succeeded()


def _means_unavailable(error: Exception) -> bool:
    return isinstance(error, _UNAVAILABLE_ERRORS) or str(error).startswith(_UNAVAILABLE_REPLIES)
