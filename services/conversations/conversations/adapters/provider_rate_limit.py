"""Rate limits per provider account, tenant and campaign, shared by all instances through Redis.

Each limit is a GCRA schedule: one number, the time at which the next message is due. An account that answers 429 is
paused for as long as it asks, continues at half its rate, and recovers by a twentieth of its full rate each second.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from redis.asyncio import Redis

from conversations.domain.providers import ProviderAccount
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
# account's slow-down ('' for none). Returns how many are granted, and the seconds to wait when none are.
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
# Several 429s within half a second count once.
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
# Returns what was granted and not used.
GIVE_BACK = """
for i, key in ipairs(KEYS) do
  local at = redis.call('get', key)
  if at then redis.call('set', key, string.format('%.6f', tonumber(at) - tonumber(ARGV[1]) / tonumber(ARGV[1 + i])),
                        'px', 60000) end
end
"""


@dataclass(frozen=True)
class TokenBucket:
    """One limit, per second. `slowed_by`: the key of the slow-down that applies to it."""

    key: str
    rate: float
    slowed_by: str = ""


@dataclass(frozen=True)
class Grant:
    """How many may be sent now. `wait`: seconds until the next, when `count` is 0."""

    count: int
    wait: float = 0.0


class ProviderRateLimit:
    """Grants sends before they are claimed. Without Redis it raises `RedisUnavailable`, and nothing is sent."""

    def __init__(self, redis: Redis, *, provider_rate: float, tenant_rate: float) -> None:
        self._provider_rate = provider_rate
        self._tenant_rate = tenant_rate
        self._grant = redis.register_script(GRANT)
        self._slow_down = redis.register_script(SLOW_DOWN)
        self._give_back = redis.register_script(GIVE_BACK)

    def buckets(
        self, account: ProviderAccount, tenant: object, campaign: object, rate: float | None
    ) -> list[TokenBucket]:
        """The limits that apply to a lane."""
        found = [
            TokenBucket(f"pace:{account.rate_limit_key}", self._provider_rate, f"slow:{account.rate_limit_key}"),
            TokenBucket(f"pace:tenant:{tenant}", self._tenant_rate),
        ]
        if campaign is not None and rate is not None:
            found.append(TokenBucket(f"pace:campaign:{campaign}", rate))
        return found

    async def grant(self, buckets: Sequence[TokenBucket], wanted: int) -> Grant:
        """Grant as many of those wanted as every limit allows now."""
        values: list[str | float] = [wanted, BURST_SECONDS]
        for bucket in buckets:
            values += [bucket.rate, bucket.slowed_by]
        try:
            count, wait = await self._grant(keys=[bucket.key for bucket in buckets], args=values)
        except REDIS_ERRORS as error:
            raise RedisUnavailable(f"redis is unavailable: {error}") from error
        return Grant(int(count), float(wait))

    async def give_back(self, buckets: Sequence[TokenBucket], unused: int) -> None:
        """Return what was granted and not used."""
        if unused <= 0:
            return
        keys = [bucket.key for bucket in buckets]
        with suppress(*REDIS_ERRORS):  # a few sends are delayed, nothing else
            await self._give_back(keys=keys, args=[unused, *(bucket.rate for bucket in buckets)])

    async def slow_down(self, account: ProviderAccount, after: float) -> None:
        """Slow the account down after a 429. `after`: seconds to pause."""
        with suppress(*REDIS_ERRORS):  # the next 429 repeats it
            await self._slow_down(keys=[f"slow:{account.rate_limit_key}"], args=[after, KEPT_MS])
