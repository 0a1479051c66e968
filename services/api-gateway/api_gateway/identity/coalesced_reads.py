"""Redis reads of one turn of the loop, and of those that come while it is under way, as one MGET each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import cast

from redis.asyncio import Redis

from switchboard.runtime.redis import REDIS_ERRORS, RedisUnavailable

AWAY_SECONDS = 0.5  # after a failure nobody waits for Redis again so soon

Values = list[bytes | None]


class CoalescedReads:
    """A single awaited GET costs as much as the rest of a proxied request; one MGET for many costs little more."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: list[tuple[Sequence[str], asyncio.Future[Values]]] = []
        self._reading: asyncio.Task[None] | None = None
        self._away_until = 0.0

    async def get(self, keys: Sequence[str]) -> Values:
        """The values, in order. Raises `RedisUnavailable`."""
        if self._away_until and monotonic() < self._away_until:
            raise RedisUnavailable("redis is away")
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
                future.cancel()  # of no effect but after an error of ours, which must leave nobody waiting

    async def _read_for(self, waiting: list[tuple[Sequence[str], asyncio.Future[Values]]]) -> None:
        wanted = list(dict.fromkeys(key for keys, _ in waiting for key in keys))
        try:
            found = dict(zip(wanted, cast("Values", await self._redis.mget(wanted)), strict=True))
        except REDIS_ERRORS as trouble:
            self._away_until = monotonic() + AWAY_SECONDS
            away = f"redis is away: {str(trouble) or type(trouble).__name__}"
            for _, future in waiting:
                if not future.done():
                    future.set_exception(RedisUnavailable(away))
            return
        for keys, future in waiting:
            if not future.done():
                future.set_result([found[key] for key in keys])
