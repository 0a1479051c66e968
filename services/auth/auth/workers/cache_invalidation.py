"""Retries the cache invalidations that could not be written to Redis."""

from dataclasses import dataclass

from auth.adapters.session_cache import SessionCache
from switchboard.runtime.background import Stop, repeat

PERIOD = 1.0  # seconds


@dataclass(frozen=True)
class PendingInvalidations:
    cache: SessionCache

    async def run(self, stop: Stop) -> None:
        await repeat(self.cache.retry_pending, every=PERIOD)(stop)
