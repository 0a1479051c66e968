"""Lua scripts of presence. Times are those of Redis, since the clocks of instances may differ."""

_NOW = """
local at = redis.call('TIME')
local now = at[1] * 1000 + math.floor(at[2] / 1000)
"""

BEAT = (
    _NOW
    + """
-- Keep users online. KEYS: presences. ARGV: for how long in ms, then the users. Returns those who were offline before.
local came = {}
for i = 2, #ARGV do
  local known = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if not known or tonumber(known) < now then table.insert(came, ARGV[i]) end
  redis.call('ZADD', KEYS[1], 'GT', now + ARGV[1], ARGV[i])
end
redis.call('EXPIRE', KEYS[1], 3600)
return came
"""
)

SWEEP = (
    _NOW
    + """
-- Remove the users without a recent heartbeat. KEYS: presences, states. Returns these users.
local gone = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. now, 'LIMIT', 0, 1000)
for _, user in ipairs(gone) do
  redis.call('ZREM', KEYS[1], user)
  redis.call('HDEL', KEYS[2], user)
end
return gone
"""
)

LIST = (
    _NOW
    + """
-- KEYS: presences, states. Returns the users that are online, and all states.
return {redis.call('ZRANGEBYSCORE', KEYS[1], now, '+inf'), redis.call('HGETALL', KEYS[2])}
"""
)
