"""Coalesces concurrent Redis reads into one MGET."""

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import cast

from redis.asyncio import Redis

from switchboard.runtime.redis import REDIS_ERRORS, RedisUnavailable

RETRY_SECONDS = 0.5  # after a failure Redis is not asked for so long

Values = list[bytes | None]


class CoalescedReads:
    """Reads keys, one MGET at a time; reads that come meanwhile wait for the next.

    A GET for each proxied request would cost as much as the rest of the request; an MGET for many costs little more.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: list[tuple[Sequence[str], asyncio.Future[Values]]] = []
        self._reading: asyncio.Task[None] | None = None
        self._unavailable_until = 0.0

    async def get(self, keys: Sequence[str]) -> Values:
        """The values, in order. Raises `RedisUnavailable`."""
        if self._unavailable_until and monotonic() < self._unavailable_until:
            raise RedisUnavailable("Redis was unavailable a moment ago")
        future: asyncio.Future[Values] = asyncio.get_running_loop().create_future()
        self._waiting.append((keys, future))
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        return await future

    async def _read(self) -> None:
        waiting: list[tuple[Sequence[str], asyncio.Future[Values]]] = []
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, []
                await self._read_for(waiting)
        finally:
            self._reading = None
            for _, future in waiting:
                future.cancel()  # only has an effect after an unexpected error: no reader may wait forever

    async def _read_for(self, waiting: list[tuple[Sequence[str], asyncio.Future[Values]]]) -> None:
        wanted = list(dict.fromkeys(key for keys, _ in waiting for key in keys))
        try:
            found = dict(zip(wanted, cast("Values", await self._redis.mget(wanted)), strict=True))
        except REDIS_ERRORS as error:
            self._unavailable_until = monotonic() + RETRY_SECONDS
            message = f"Redis is unavailable: {str(error) or type(error).__name__}"
            for _, future in waiting:
                if not future.done():
                    future.set_exception(RedisUnavailable(message))
            return
        for keys, future in waiting:
            if not future.done():
                future.set_result([found[key] for key in keys])
