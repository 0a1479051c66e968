"""How fast: rates per provider account, tenant and campaign, kept in Redis for all instances together.

Each rate is a virtual schedule (GCRA): one number, the time at which the next would be due. An account that answers
429 is left alone for as long as it asks, goes on at half its pace, and recovers by a twentieth of its full rate each
second.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from redis.asyncio import Redis

from conversations.domain.providers import Account
from switchboard.runtime.redis import REDIS_ERRORS, RedisUnavailable

BURST_SECONDS = 0.1
KEPT_MS = 600_000

_FACTOR = """
local function factor_of(key, now)
  local kept = redis.call('hmget', key, 'factor', 'since', 'blocked')
  local factor = math.min(1, tonumber(kept[1] or '1') + 0.05 * math.max(0, now - tonumber(kept[2] or now)))
  return factor, tonumber(kept[3] or '0')
end
local time = redis.call('time')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
"""
# KEYS: buckets. ARGV: how many are wanted, the burst in seconds, then for each bucket its rate and the key of its
# account's slow-down ('' for none). Answers how many, and the seconds to wait when none.
GRANT = (
    _FACTOR
    + """
local n, wait = tonumber(ARGV[1]), 0
local steps, begins = {}, {}  -- 0.001: times of day have no finer digits, and it is paid back with the next
for i, key in ipairs(KEYS) do
  local rate, slow = tonumber(ARGV[1 + 2 * i]), ARGV[2 + 2 * i]
  local factor, blocked = 1, 0
  if slow ~= '' then factor, blocked = factor_of(slow, now) end
  if blocked > now then return {0, tostring(blocked - now)} end
  local step = 1 / (rate * factor)
  local burst = math.max(tonumber(ARGV[2]), step)
  local begin = math.max(tonumber(redis.call('get', key) or '0'), now - burst)
  local free = math.floor((now - begin) / step + 0.001)
  if free < n then
    n = math.max(free, 0)
    wait = math.max(wait, begin + step - now)
  end
  steps[i], begins[i] = step, begin
end
if n <= 0 then return {0, tostring(wait)} end
for i, key in ipairs(KEYS) do
  redis.call('set', key, string.format('%.6f', begins[i] + n * steps[i]), 'px', 60000)
end
return {n, '0'}
"""
)
# Several 429s of one moment count once.
SLOW_DOWN = (
    _FACTOR
    + """
local factor = factor_of(KEYS[1], now)
local last = tonumber(redis.call('hget', KEYS[1], 'halved') or '0')
if now - last >= 0.5 then
  factor = math.max(0.02, factor / 2)
  redis.call('hset', KEYS[1], 'halved', string.format('%.6f', now))
end
local blocked = math.max(tonumber(redis.call('hget', KEYS[1], 'blocked') or '0'), now + tonumber(ARGV[1]))
redis.call('hset', KEYS[1], 'factor', tostring(factor), 'since', string.format('%.6f', now),
           'blocked', string.format('%.6f', blocked))
redis.call('pexpire', KEYS[1], ARGV[2])
return tostring(factor)
"""
)
# What was granted and not used goes back.
GIVE_BACK = """
for i, key in ipairs(KEYS) do
  local at = redis.call('get', key)
  if at then redis.call('set', key, string.format('%.6f', tonumber(at) - tonumber(ARGV[1]) / tonumber(ARGV[1 + i])),
                        'px', 60000) end
end
"""


@dataclass(frozen=True)
class Bucket:
    """One rate, per second. `slowed_by`: the account whose slow-downs it feels."""

    key: str
    rate: float
    slowed_by: str = ""


@dataclass(frozen=True)
class Grant:
    """`wait`: seconds until there may be more, when `count` is 0."""

    count: int
    wait: float = 0.0


class Pace:
    """Asks Redis before each claim. Raises `RedisUnavailable`: then nothing is sent until it is back."""

    def __init__(self, redis: Redis, *, provider_rate: float, tenant_rate: float) -> None:
        self._provider_rate = provider_rate
        self._tenant_rate = tenant_rate
        self._grant = redis.register_script(GRANT)
        self._slow_down = redis.register_script(SLOW_DOWN)
        self._give_back = redis.register_script(GIVE_BACK)

    def buckets(self, account: Account, tenant: object, campaign: object, rate: float | None) -> list[Bucket]:
        """All that bound a lane."""
        found = [
            Bucket(f"pace:{account.pace_key}", self._provider_rate, f"slow:{account.pace_key}"),
            Bucket(f"pace:tenant:{tenant}", self._tenant_rate),
        ]
        if campaign is not None and rate is not None:
            found.append(Bucket(f"pace:campaign:{campaign}", rate))
        return found

    async def grant(self, buckets: Sequence[Bucket], wanted: int) -> Grant:
        """As many of those wanted as all of them allow now."""
        values: list[str | float] = [wanted, BURST_SECONDS]
        for bucket in buckets:
            values += [bucket.rate, bucket.slowed_by]
        try:
            count, wait = await self._grant(keys=[bucket.key for bucket in buckets], args=values)
        except REDIS_ERRORS as trouble:
            raise RedisUnavailable(f"redis is away: {trouble}") from trouble
        return Grant(int(count), float(wait))

    async def give_back(self, buckets: Sequence[Bucket], unused: int) -> None:
        if unused <= 0:
            return
        keys = [bucket.key for bucket in buckets]
        with suppress(*REDIS_ERRORS):  # a moment's pace is lost, nothing else
            await self._give_back(keys=keys, args=[unused, *(bucket.rate for bucket in buckets)])

    async def slow_down(self, account: Account, after: float) -> None:
        """The provider said 429."""
        with suppress(*REDIS_ERRORS):  # the next 429 tells us again
            await self._slow_down(keys=[f"slow:{account.pace_key}"], args=[after, KEPT_MS])
