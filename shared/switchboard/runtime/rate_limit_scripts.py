"""Lua scripts of `rate_limits.Gcra`.

Instances of different versions share the keys: stored values and results must not change.
"""

_FACTOR = """
local function factor_of(key, now)
  local kept = redis.call('hmget', key, 'factor', 'since', 'blocked')
  local factor = math.min(1, tonumber(kept[1] or '1') + 0.05 * math.max(0, now - tonumber(kept[2] or now)))
  return factor, tonumber(kept[3] or '0')
end
local time = redis.call('time')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
"""
# KEYS: rates. ARGV: how many are wanted, the burst in seconds, then for each rate its events per second and the key of
# its slow-down ('' for none). Returns how many are granted, and the seconds to wait when none are.
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
# Slow-downs within half a second count once.
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
GIVE_BACK = """
for i, key in ipairs(KEYS) do
  local at = redis.call('get', key)
  if at then redis.call('set', key, string.format('%.6f', tonumber(at) - tonumber(ARGV[1]) / tonumber(ARGV[1 + i])),
                        'px', 60000) end
end
"""
