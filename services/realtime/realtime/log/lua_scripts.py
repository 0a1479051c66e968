"""Lua scripts of the event log: the steps that must be atomic in Redis."""

APPEND = """
-- Append entries to a tenant's log without duplicates, and trim the log to its bounds.
-- KEYS: stream, ids. ARGV: maximum length, maximum age in ms, deduplication window in ms,
-- then for each entry: id, type, time, room, data, traceparent.
-- Each entry holds the stream id of the one before it, so that a reader notices a gap.
local at = redis.call('TIME')
local now = at[1] * 1000 + math.floor(at[2] / 1000)
local longest, keep, remember = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local before = last and last[1] or string.format('%d-0', now - keep)
for i = 4, #ARGV, 6 do
  if redis.call('ZADD', KEYS[2], 'NX', now, ARGV[i]) == 1 then
    before = redis.call('XADD', KEYS[1], '*', 'before', before, 'id', ARGV[i], 'type', ARGV[i + 1],
                        'time', ARGV[i + 2], 'room', ARGV[i + 3], 'data', ARGV[i + 4], 'trace', ARGV[i + 5])
  end
end
local trimmed = redis.call('XTRIM', KEYS[1], 'MAXLEN', '~', longest)
trimmed = trimmed + redis.call('XTRIM', KEYS[1], 'MINID', '~', string.format('%d', now - keep))
if trimmed > 0 then
  local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
  local since = first and tonumber(string.match(first[1], '^%d+')) or now
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('(%d', math.min(since, now - remember)))
end
local expiry = string.format('%d', keep + 3600000)
redis.call('PEXPIRE', KEYS[1], expiry)
redis.call('PEXPIRE', KEYS[2], expiry)
"""

END = """
-- The stream id that all later entries will exceed. An empty log ends one second in the past, so that a clock set
-- back by less than that loses nothing.
local at = redis.call('TIME')
local now = at[1] * 1000 + math.floor(at[2] / 1000) - 1000
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if last and tonumber(string.match(last[1], '^%d+')) >= now then return last[1] end
return string.format('%d-0', now)
"""

EPOCH = """
-- The epoch of the log: it changes when Redis was restarted or is another replica set, since writes may be lost then.
local info = redis.call('INFO', 'server') .. redis.call('INFO', 'replication')
local run = string.match(info, 'run_id:(%w+)') .. ':' .. string.match(info, 'master_replid:(%w+)')
if redis.call('HGET', KEYS[1], 'run') ~= run then
  redis.call('HSET', KEYS[1], 'run', run, 'epoch', ARGV[1])
end
return redis.call('HGET', KEYS[1], 'epoch')
"""
