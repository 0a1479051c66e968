"""Rate limits: every strategy that the product uses.

| strategy | class | kept in | used for |
|---|---|---|---|
| fixed window, counts exchanged in batches | `BatchedFixedWindows` | memory and Redis | requests at the edge |
| fixed window, each event counted at once | `FixedWindow` | Redis | failed sign-ins |
| GCRA (generic cell rate algorithm) | `Gcra` | Redis | sending through provider accounts |
| token bucket | `TokenBucket` | memory | the events of one socket |

Instances of different versions share the keys in Redis: keys, stored values and results of scripts must not change.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic, time
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from switchboard.runtime import rate_limit_scripts
from switchboard.runtime.background import Stop, Wakeup
from switchboard.runtime.redis import REDIS_ERRORS, RedisUnavailable
from switchboard.runtime.refusals import TooMany

EXCHANGE_EACH = 0.1
WARN_EACH = 10.0
GCRA_BURST_SECONDS = 0.1
SLOW_DOWN_MS = 600_000

log = structlog.get_logger(__name__)


class RateLimited(TooMany):
    """Too many requests in a short time: slow down."""


class BatchedFixedWindows:
    """Counts events in fixed windows, per key, over all instances.

    Each instance counts in memory. While it counts, it exchanges its counts with Redis ten times a second, for all keys
    in one round trip: `count` waits for nothing, and a limit is exact to within that tenth of a second. While Redis is
    unavailable nothing is limited, and `on_uncounted` is called for each event.
    """

    def __init__(self, redis: Redis, *, seconds: int, on_uncounted: Callable[[], None]) -> None:
        self._redis = redis
        self._seconds = seconds
        self._on_uncounted = on_uncounted
        self._counts: dict[str, _Count] = {}
        self._window = 0
        self._any_unsent = Wakeup()
        self._unavailable = False
        self._warned_at = 0.0

    def limit(self, prefix: str, most: int) -> "WindowLimit":
        """A limit of `most` events in a window for each key with this prefix."""
        return WindowLimit(self, prefix, most)

    def count(self, key: str, most: int) -> None:
        """Count one event. Raises `RateLimited` when `most` is reached."""
        now = time()
        window = int(now) // self._seconds
        if window != self._window:
            self._window = window
            self._counts = {}
        if self._unavailable:
            self._on_uncounted()
            return
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = _Count()
        if count.everywhere + count.unsent >= most:
            raise RateLimited(retry_after=(window + 1) * self._seconds - now)
        count.unsent += 1
        self._any_unsent.set()

    async def run(self, stop: Stop) -> None:
        """Exchange counts with Redis until `stop`, while there are any."""
        while not stop.is_set():
            await self._any_unsent.wait(stop, EXCHANGE_EACH if self._unavailable else None)
            if await stop.sleep(EXCHANGE_EACH):
                return
            unsent = {key: count for key, count in self._counts.items() if count.unsent}
            if unsent or self._unavailable:
                await self._exchange(self._window, unsent)

    async def _exchange(self, window: int, unsent: "dict[str, _Count]") -> None:
        amounts = {key: count.unsent for key, count in unsent.items()}
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.ping()
                for key, amount in amounts.items():
                    pipe.incrby(f"{key}:{window}", amount)
                    pipe.expire(f"{key}:{window}", 2 * self._seconds)
                answers = await pipe.execute()
        except REDIS_ERRORS as error:
            self._unavailable = True
            if time() - self._warned_at > WARN_EACH:
                self._warned_at = time()
                log.warning("rate_limits_open", reason=str(error))
            return
        self._unavailable = False
        for count, amount, everywhere in zip(unsent.values(), amounts.values(), answers[1::2], strict=True):
            count.unsent -= amount
            count.everywhere = everywhere


@dataclass(slots=True)
class _Count:
    everywhere: int = 0  # by all instances, this one included, as of the last exchange
    unsent: int = 0


@dataclass(frozen=True, slots=True)
class WindowLimit:
    """One limit of `BatchedFixedWindows`."""

    windows: BatchedFixedWindows
    prefix: str
    most: int

    def count(self, key: str) -> None:
        """Count one event of this key. Raises `RateLimited`."""
        self.windows.count(f"{self.prefix}:{key}", self.most)


class FixedWindow:
    """Counts events in Redis, at most `most` in `seconds` for each key. A window opens with the first event.

    The methods raise one of `REDIS_ERRORS`: the caller decides whether to go on uncounted.
    """

    def __init__(self, redis: Redis, *, most: int, seconds: int) -> None:
        self._redis = redis
        self._most = most
        self._seconds = seconds

    async def retry_after(self, key: str) -> int | None:
        """Seconds until the window ends if the limit is reached, else None."""
        if int(await self._redis.get(key) or 0) < self._most:
            return None
        return max(await self._redis.ttl(key), 1)

    async def count(self, key: str) -> None:
        await self._add(key)

    async def take(self, key: str) -> int | None:
        """Count an event before it happens, so that a burst gets no more than a sequence. None: it may happen.

        Else the seconds until the window ends. `give_back` takes it back when it needs not be counted after all.
        """
        if await self._add(key) <= self._most:
            return None
        return max(await self._redis.ttl(key), 1)

    async def give_back(self, key: str) -> None:
        await self._add(key, -1)

    async def _add(self, key: str, amount: int = 1) -> int:
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.incrby(key, amount)
            pipe.expire(key, self._seconds, nx=True)
            counted, _ = await pipe.execute()
        return int(counted)


@dataclass(frozen=True)
class Rate:
    """One rate of `Gcra`. `slowed_by`: the key of the slow-downs that reduce it."""

    key: str
    per_second: float
    slowed_by: str = ""


@dataclass(frozen=True)
class Grant:
    """`wait`: seconds until more may be granted, when `count` is 0."""

    count: int
    wait: float = 0.0


class Gcra:
    """Grants events under several rates at once, by GCRA, for all instances together.

    Redis holds one number for each rate: the time at which its next event is due. A slow-down blocks for as long as
    was asked for, halves the rate, and the rate recovers by a twentieth of its full value each second.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._grant = redis.register_script(rate_limit_scripts.GRANT)
        self._slow_down = redis.register_script(rate_limit_scripts.SLOW_DOWN)
        self._give_back = redis.register_script(rate_limit_scripts.GIVE_BACK)

    async def grant(self, rates: Sequence[Rate], wanted: int) -> Grant:
        """Grant as many of the wanted events as all rates allow now. Raises `RedisUnavailable`."""
        (grant,) = await self.grant_each([(rates, wanted)])
        return grant

    async def grant_each(self, asked: Sequence[tuple[Sequence[Rate], int]]) -> list[Grant]:
        """Grant several, each by its own rates, in one round trip. Raises `RedisUnavailable`."""
        try:
            try:
                answers = await self._grants(asked)
            except NoScriptError:  # a new Redis
                await self._redis.script_load(self._grant.script)
                answers = await self._grants(asked)
        except REDIS_ERRORS as error:
            raise RedisUnavailable(f"Redis is unavailable: {error}") from error
        return [Grant(int(count), float(wait)) for count, wait in answers]

    async def _grants(self, asked: Sequence[tuple[Sequence[Rate], int]]) -> list[Any]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for rates, wanted in asked:
                values: list[str | float] = [wanted, GCRA_BURST_SECONDS]
                for rate in rates:
                    values += [rate.per_second, rate.slowed_by]
                pipe.evalsha(self._grant.sha, len(rates), *(rate.key for rate in rates), *values)
            return list(await pipe.execute())

    async def give_back(self, rates: Sequence[Rate], unused: int) -> None:
        """Return granted events that were not used. Without Redis they are lost."""
        if unused <= 0:
            return
        with suppress(*REDIS_ERRORS):
            await self._give_back(keys=[r.key for r in rates], args=[unused, *(r.per_second for r in rates)])

    async def slow_down(self, key: str, seconds: float) -> None:
        """Block the rates that `key` slows for `seconds`, then halve them. Without Redis nothing happens."""
        with suppress(*REDIS_ERRORS):
            await self._slow_down(keys=[key], args=[seconds, SLOW_DOWN_MS])


class TokenBucket:
    """A token bucket in memory: `per_second` events, and up to `burst` at once."""

    __slots__ = ("_burst", "_clock", "_filled_at", "_per_second", "_tokens")

    def __init__(self, *, per_second: float, burst: float, clock: Callable[[], float] = monotonic) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._tokens = burst
        self._filled_at = clock()

    def take(self) -> bool:
        """Take one token. False when there is none."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._per_second)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
