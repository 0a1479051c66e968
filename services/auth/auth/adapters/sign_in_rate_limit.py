"""Rate limit for sign-in: failed attempts are counted in Redis, for all instances together."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from redis.asyncio import Redis

from auth.domain.sessions import InvalidCredentials
from switchboard.runtime.rate_limits import FixedWindow
from switchboard.runtime.redis import REDIS_ERRORS
from switchboard.runtime.refusals import TooMany

MAX_FAILURES = 10
WINDOW_SECONDS = 300

log = structlog.get_logger(__name__)


class TooManyFailures(TooMany):
    """Too many failed sign-ins from this address for this account: try again later."""


class SignInRateLimit:
    """Allows ten failed sign-ins in five minutes for each client address and account.

    Without Redis, sign-ins are not limited.
    """

    def __init__(self, redis: Redis) -> None:
        self._failures = FixedWindow(redis, most=MAX_FAILURES, seconds=WINDOW_SECONDS)
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def attempt(self, address: str | None, account: str) -> AsyncIterator[None]:
        """Wrap one attempt, which fails by raising `InvalidCredentials`. Raises `TooManyFailures`.

        Attempts for the same address and account run one after another, so that a burst gets no more tries than a
        sequence.
        """
        key = "login:failures:" + hashlib.sha256(f"{address} {account}".encode("utf-8", "replace")).hexdigest()
        async with self._lock(key):
            await self._check(key)
            try:
                yield
            except InvalidCredentials:
                await self._count(key)
                raise

    @asynccontextmanager
    async def _lock(self, key: str) -> AsyncIterator[None]:
        lock, users = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks[key]
            if users == 1:
                del self._locks[key]
            else:
                self._locks[key] = lock, users - 1

    async def _check(self, key: str) -> None:
        try:
            retry_after = await self._failures.retry_after(key)
        except REDIS_ERRORS as error:
            log.warning("throttle_open", reason=str(error))
            return
        if retry_after is not None:
            raise TooManyFailures(retry_after=retry_after)

    async def _count(self, key: str) -> None:
        try:
            await self._failures.count(key)
        except REDIS_ERRORS as error:
            log.warning("throttle_open", reason=str(error))
