"""The Lua script by which an instance begins to follow the event log."""

BEGIN = """
-- Returns the epoch of the log and its last position, and sets the bounds of the tenants' logs.
-- The epoch changes when Redis was restarted or is another replica set, since writes may be lost then.
-- KEYS: the log. ARGV: an epoch, in case that one begins; the most entries of a tenant's log; how many seconds they are
-- kept.
local info = redis.call('INFO', 'server') .. redis.call('INFO', 'replication')
local run = string.match(info, 'run_id:(%w+)') .. ':' .. string.match(info, 'master_replid:(%w+)')
if redis.call('HGET', KEYS[1], 'run') ~= run then
  redis.call('HSET', KEYS[1], 'run', run, 'epoch', ARGV[1])
end
local at = redis.call('TIME')
redis.call('HSETNX', KEYS[1], 'last', string.format('%.0f', at[1] * 1000000 + at[2]))
redis.call('HSET', KEYS[1], 'most', ARGV[2], 'keep', ARGV[3])
redis.call('EXPIRE', KEYS[1], 2 * ARGV[3] + 86400)
return redis.call('HMGET', KEYS[1], 'epoch', 'last')
"""
