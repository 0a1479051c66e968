"""Lua scripts of presence. Times are those of Redis, since the clocks of instances may differ."""

_NOW = """
local at = redis.call('TIME')
local now = at[1] * 1000 + math.floor(at[2] / 1000)
"""

HEARTBEAT = (
    _NOW
    + """
-- Keep users online, and remove those without a recent heartbeat.
-- KEYS: presences and states of each tenant. ARGV: for how long in ms; then for each tenant the number of users, and
-- the users. Returns for each tenant: those who were offline before, and those removed.
local answers, next = {}, 2
for tenant = 1, #KEYS / 2 do
  local presences, states = KEYS[2 * tenant - 1], KEYS[2 * tenant]
  local came, users = {}, tonumber(ARGV[next])
  for i = next + 1, next + users do
    local known = redis.call('ZSCORE', presences, ARGV[i])
    if not known or tonumber(known) < now then table.insert(came, ARGV[i]) end
    redis.call('ZADD', presences, 'GT', now + ARGV[1], ARGV[i])
  end
  next = next + users + 1
  redis.call('EXPIRE', presences, 3600)
  local gone = redis.call('ZRANGEBYSCORE', presences, '-inf', '(' .. now, 'LIMIT', 0, 1000)
  for _, user in ipairs(gone) do
    redis.call('ZREM', presences, user)
    redis.call('HDEL', states, user)
  end
  table.insert(answers, {came, gone})
end
return answers
"""
)

LIST = (
    _NOW
    + """
-- KEYS: presences, states. Returns the users that are online, and all states.
return {redis.call('ZRANGEBYSCORE', KEYS[1], now, '+inf'), redis.call('HGETALL', KEYS[2])}
"""
)
