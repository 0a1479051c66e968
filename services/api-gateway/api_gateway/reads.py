"""Redis reads of one turn of the loop, and of those that come while it is under way, as one MGET each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import cast

from redis.asyncio import Redis

from switchboard.runtime.redis import AWAY, RedisAway

AWAY_SECONDS = 0.5  # after a failure nobody waits for Redis again so soon


class CoalescedReads:
    """A single awaited GET costs as much as the rest of a proxied request; one MGET for many costs little more."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._wanted: dict[str, None] = {}
        self._batch: asyncio.Future[dict[str, bytes | None]] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._away_until = 0.0

    async def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values, in order. Raises `RedisAway`."""
        if monotonic() < self._away_until:
            raise RedisAway("redis is away")
        if self._batch is None:
            self._batch = asyncio.get_running_loop().create_future()
        for key in keys:
            self._wanted[key] = None
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        values = await asyncio.shield(self._batch)
        return [values[key] for key in keys]

    async def _read(self) -> None:
        while self._batch is not None:
            batch, self._batch = self._batch, None
            wanted, self._wanted = list(self._wanted), {}
            try:
                values = await self._redis.mget(wanted)
                batch.set_result(dict(zip(wanted, cast("list[bytes | None]", values), strict=True)))
            except AWAY as trouble:
                self._away_until = monotonic() + AWAY_SECONDS
                batch.set_exception(RedisAway(f"redis is away: {str(trouble) or type(trouble).__name__}"))
                batch.exception()  # its waiters may be gone
            finally:
                batch.cancel()
        self._reading = None
