"""Cache invalidation of sessions: auth's writes to the session cache that gateways keep in Redis.

Gateways cache for 60 seconds what auth answered about a session or a tenant, and set an entry only if it is absent. A
change in auth overwrites the entry with `dead` (the session has ended) or `stale` (ask auth again). That value lives
longer than any lookup that began before the change can take, so no such lookup puts the old answer back.

Invalidations are rows of the transaction that makes the change. Those that could not be written to Redis (Redis was
unavailable, the process crashed after the commit) are retried by `retry_pending`.
"""

import asyncio
from collections.abc import Sequence

import orjson
import structlog
from redis.asyncio import Redis

from auth.domain.session_invalidation import PENDING, SessionInvalidation
from auth.store import cache_invalidations
from switchboard.postgres.database import Database
from switchboard.runtime.redis import REDIS_ERRORS
from switchboard.runtime.unavailable import Unavailable

LIFETIME_SECONDS = {"dead": 120, "stale": 10}
REDIS_SECONDS = 2.0

log = structlog.get_logger(__name__)


class CacheUnavailable(Unavailable):
    """The change is stored, but gateways may not see it for up to a minute: repeat the request to make sure."""


class SessionCache:
    """Invalidates entries of the gateways' session cache."""

    def __init__(self, redis: Redis, database: Database) -> None:
        self._redis = redis
        self._database = database

    async def invalidate(self, invalidations: Sequence[SessionInvalidation]) -> None:
        """Write the invalidations of a committed transaction. Raises `CacheUnavailable`; they are then retried."""
        if not invalidations:
            return
        await self._write(invalidations)
        try:
            async with self._database.connection() as conn:
                await cache_invalidations.drop(conn, invalidations)
        except Unavailable:
            log.info("cache_invalidations_left_pending", count=len(invalidations))  # a second write does no harm

    async def retry_pending(self) -> None:
        """Write the invalidations that could not be written before."""
        async with self._database.connection() as conn:
            pending = await cache_invalidations.list_pending(conn)
        await self.invalidate(pending)

    async def _write(self, invalidations: Sequence[SessionInvalidation]) -> None:
        try:
            async with asyncio.timeout(REDIS_SECONDS), self._redis.pipeline(transaction=False) as pipe:
                for one in invalidations:
                    pipe.set(one.key, orjson.dumps({"state": one.state}), ex=LIFETIME_SECONDS[one.state])
                await pipe.execute()
        except REDIS_ERRORS as error:
            self._database.notify(PENDING)
            raise CacheUnavailable(f"the session cache is unavailable: {error}") from error
