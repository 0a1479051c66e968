"""What the gateways read about sessions and tenants in Redis, as far as auth writes it: marks that say "no longer".

Gateways fill the cache, set-if-absent, for 60 seconds, with what auth answered them. A change of ours marks the key:
`dead` (a session that is over) or `stale` (ask auth again). A mark stands longer than any fill that began before the
change can still be under way, so that none undoes it. Marks are rows of the changing transaction first: one that
couldn't be shown (Redis away, a crash after the commit) is shown by the loop `repeating` as soon as Redis is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import orjson
import structlog
from redis.asyncio import Redis

from auth.domain.session_invalidation import Mark
from auth.store import accounts as store
from switchboard.postgres.database import Database
from switchboard.runtime.background import Loop, repeat
from switchboard.runtime.redis import REDIS_ERRORS
from switchboard.runtime.unavailable import Unavailable

SECONDS = {"dead": 120, "stale": 10}
REDIS_SECONDS = 2.0
REPEAT_EVERY = 1.0

log = structlog.get_logger(__name__)


class CacheUnavailable(Unavailable):
    """The change is made, but gateways may not know of it for up to a minute: ask again, so that it is shown."""


class SessionCache:
    """Shows marks to the gateways."""

    def __init__(self, redis: Redis, database: Database) -> None:
        self._redis = redis
        self._database = database

    async def show(self, marks: Sequence[Mark]) -> None:
        """Write the marks of a committed transaction. Raises `CacheUnavailable`; they are then written later."""
        if not marks:
            return
        await self._write(marks)
        try:
            async with self._database.connection() as conn:
                await store.drop_marks(conn, marks)
        except Unavailable:
            log.info("marks_left_to_repeat", count=len(marks))  # shown; showing them again does no harm

    def repeating(self) -> Loop:
        """The loop that shows, each second, what could not be shown at once."""

        async def show_what_is_left() -> None:
            async with self._database.connection() as conn:
                left = await store.list_marks(conn)
            await self.show(left)

        return repeat(show_what_is_left, every=REPEAT_EVERY)

    async def _write(self, marks: Sequence[Mark]) -> None:
        try:
            async with asyncio.timeout(REDIS_SECONDS), self._redis.pipeline(transaction=False) as pipe:
                for mark in marks:
                    pipe.set(mark.key, orjson.dumps({"state": mark.state}), ex=SECONDS[mark.state])
                await pipe.execute()
        except REDIS_ERRORS as trouble:
            raise CacheUnavailable(f"the session cache is away: {trouble}") from trouble
