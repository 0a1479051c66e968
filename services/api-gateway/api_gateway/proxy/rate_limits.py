"""How much one user, and one address, may ask, over all gateways.

Each gateway counts for itself and exchanges what it counted with Redis ten times a second, for all keys in one round
trip: a request waits for nothing, and a limit holds to within that tenth. While Redis is away nothing is limited.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import time

import structlog
from prometheus_client import Counter
from redis.asyncio import Redis

from switchboard.runtime.background import Stop
from switchboard.runtime.metrics import Metrics
from switchboard.runtime.redis import REDIS_ERRORS
from switchboard.runtime.refusals import TooMany

WINDOW = 10  # seconds
EXCHANGE_EACH = 0.1
WARN_EACH = 10.0

log = structlog.get_logger(__name__)


class TooFast(TooMany):
    """Too many requests in a short time: slow down."""


@dataclass(slots=True)
class _Count:
    everywhere: int = 0  # as of the last exchange, ours included
    not_told: int = 0


class RateLimits:
    """Counts requests in windows of ten seconds. `per_user`, `per_address`: requests a second."""

    def __init__(self, redis: Redis, metrics: Metrics, *, per_user: int, per_address: int) -> None:
        self._redis = redis
        self._most = {"user": per_user * WINDOW, "address": per_address * WINDOW}
        self._counts: dict[str, _Count] = {}
        self._window = 0
        self._away = False
        self._warned_at = 0.0
        self._passed = Counter(
            "rate_limit_open_total", "Requests let through uncounted: Redis is away", registry=metrics.registry
        )

    def count(self, kind: str, who: str) -> None:
        """One request. Raises `TooFast`."""
        now = time()
        window = int(now) // WINDOW
        if window != self._window:
            self._window = window
            self._counts = {}
        if self._away:
            self._passed.inc()
            return
        count = self._counts.get(key := f"rate:{kind}:{who}")
        if count is None:
            count = self._counts[key] = _Count()
        if count.everywhere + count.not_told >= self._most[kind]:
            raise TooFast(retry_after=(window + 1) * WINDOW - now)
        count.not_told += 1

    async def exchanging(self, stop: Stop) -> None:
        """The loop that tells Redis what was counted here, and hears what was counted everywhere."""
        while not await stop.sleep(EXCHANGE_EACH):
            told = {key: count for key, count in self._counts.items() if count.not_told}
            if told or self._away:
                await self._exchange(self._window, told)

    async def _exchange(self, window: int, told: dict[str, _Count]) -> None:
        amounts = {key: count.not_told for key, count in told.items()}
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.ping()
                for key, amount in amounts.items():
                    pipe.incrby(f"{key}:{window}", amount)
                    pipe.expire(f"{key}:{window}", 2 * WINDOW)
                answers = await pipe.execute()
        except REDIS_ERRORS as trouble:
            self._note_away(str(trouble))
            return
        self._away = False
        for count, amount, everywhere in zip(told.values(), amounts.values(), answers[1::2], strict=True):
            count.not_told -= amount
            count.everywhere = everywhere

    def _note_away(self, reason: str) -> None:
        self._away = True
        if time() - self._warned_at > WARN_EACH:
            self._warned_at = time()
            log.warning("rate_limits_open", reason=reason)
