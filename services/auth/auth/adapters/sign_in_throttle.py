"""Failed log-ins are counted in Redis, so that no restart of an instance begins the count anew."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from redis.asyncio import Redis

from auth.domain.users import InvalidCredentials
from switchboard.runtime.redis import REDIS_ERRORS
from switchboard.runtime.refusals import TooMany

MOST_FAILURES = 10
WITHIN_SECONDS = 300

log = structlog.get_logger(__name__)


class TooManyFailures(TooMany):
    """Too many failed log-ins from this address for this account: try again later."""


class Throttle:
    """At most ten failures in five minutes per (address, email). Where Redis is away, log-ins go on uncounted."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._under_way: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def attempt(self, address: str | None, who: str) -> AsyncIterator[None]:
        """Around one attempt, which fails by raising `InvalidCredentials`. Raises `TooManyFailures`.

        Attempts of one kind wait for each other: a burst gets no more tries than the same in sequence.
        """
        key = "login:failures:" + hashlib.sha256(f"{address} {who}".encode("utf-8", "replace")).hexdigest()
        async with self._one_at_a_time(key):
            await self._check(key)
            try:
                yield
            except InvalidCredentials:
                await self._count(key)
                raise

    @asynccontextmanager
    async def _one_at_a_time(self, key: str) -> AsyncIterator[None]:
        lock, users = self._under_way.get(key, (asyncio.Lock(), 0))
        self._under_way[key] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            lock, users = self._under_way[key]
            if users == 1:
                del self._under_way[key]
            else:
                self._under_way[key] = lock, users - 1

    async def _check(self, key: str) -> None:
        try:
            failures = int(await self._redis.get(key) or 0)
            if failures < MOST_FAILURES:
                return
            left = await self._redis.ttl(key)
        except REDIS_ERRORS as trouble:
            log.warning("throttle_open", reason=str(trouble))
            return
        raise TooManyFailures(retry_after=max(left, 1))

    async def _count(self, key: str) -> None:
        try:
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.incr(key)
                pipe.expire(key, WITHIN_SECONDS, nx=True)
                await pipe.execute()
        except REDIS_ERRORS as trouble:
            log.warning("throttle_open", reason=str(trouble))
