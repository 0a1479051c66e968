"""Retries the cache invalidations that could not be written to Redis."""

import structlog

from auth.adapters.session_cache import SessionCache
from auth.domain.session_invalidation import PENDING
from switchboard.postgres.database import Database
from switchboard.runtime.background import Stop, Wakeup
from switchboard.runtime.unavailable import Unavailable

RETRY_SECONDS = 1.0
POLL_SECONDS = 5.0  # for those of a process that crashed after its commit, and told nobody

log = structlog.get_logger(__name__)


class PendingInvalidations:
    """Sleeps until an instance, this or another, fails to write one."""

    def __init__(self, database: Database, cache: SessionCache) -> None:
        self._cache = cache
        self._failed = Wakeup()
        database.on_notify(PENDING, self._failed.set)

    async def run(self, stop: Stop) -> None:
        while not stop.is_set():
            try:
                await self._cache.retry_pending()
            except Unavailable as error:
                log.info("cache_invalidations_postponed", reason=str(error))
            if await self._failed.wait(stop, POLL_SECONDS):
                await stop.sleep(RETRY_SECONDS)
