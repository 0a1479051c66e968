"""The Lua script that appends: all that must be atomic in Redis."""

APPEND = """
-- Append a batch of entries, each once and in the order of its subject.
-- KEYS: the log, the stream of batches. ARGV: the channel of batches, whether the entries are
-- known to be in order ('1'), then for each entry: tenant, subject, number (or ''), event id, room, rest of the line.
-- Returns for each entry: its position; 0: it is there already; -1: the one before it is missing.
local DAY, HOUR = 86400, 3600
local channel, in_order = ARGV[1], ARGV[2] == '1'
local at = redis.call('TIME')
local now = at[1] * 1000000 + at[2]
local log = redis.call('HMGET', KEYS[1], 'last', 'most', 'keep')
local before, most, keep = log[1] or '0', log[2] or '10000', tonumber(log[3] or DAY)
local position = math.max(tonumber(before), now - 1)

local function text(number) return string.format('%.0f', number) end

-- A stream is trimmed by its length or by its age, by turns: either costs nothing beside the append.
local function bound(length, seconds)
  if position % 2 == 0 then return 'MAXLEN', length end
  return 'MINID', text(now - seconds * 1000000)
end

-- The value of a subject: its last number, then each missing one with a space before it. What the bus skipped may
-- still come, when an operator replays it.
local function take_number(key, number)
  local known = redis.call('GET', key)
  local last, missing = 0, ''
  if known then
    last, missing = string.match(known, '^(%d+)(.*)$')
    last = tonumber(last)
  end
  if known and number <= last then
    local from, to = string.find(missing .. ' ', ' ' .. text(number) .. ' ', 1, true)
    if not from or not in_order then return 0 end
    missing = string.sub(missing, 1, from - 1) .. string.sub(missing, to)
    number = last
  elseif number > last + 1 then
    if not in_order then return -1 end
    if known then
      for skipped = math.max(last + 1, number - 50), number - 1 do missing = missing .. ' ' .. text(skipped) end
      missing = string.match(string.sub(missing, -600), ' .*') or ''
    end
  end
  redis.call('SET', key, text(number) .. missing, 'EX', DAY)
  return 1
end

local answers, lines, tenants = {}, {}, {}
for i = 3, #ARGV, 6 do
  local tenant, subject, number, id, room, rest = unpack(ARGV, i, i + 5)
  local taken
  if number == '' then
    taken = redis.call('SET', KEYS[1] .. ':id:' .. id, '', 'NX', 'EX', HOUR) and 1 or 0
  else
    taken = take_number(KEYS[1] .. ':subject:' .. tenant .. ':' .. subject, tonumber(number))
  end
  if taken == 1 then
    position = position + 1
    local place = text(position)
    local strategy, threshold = bound(most, keep)
    local stream = KEYS[1] .. ':tenant:' .. tenant
    redis.call('XADD', stream, strategy, '~', threshold, place .. '-0', 'room', room, 'rest', rest)
    if not tenants[stream] then
      tenants[stream] = true
      redis.call('EXPIRE', stream, keep + HOUR)
    end
    lines[#lines + 1] = tenant .. ' ' .. room .. ' ' .. place .. ' ' .. rest
    taken = position
  end
  answers[#answers + 1] = taken
end

if #lines > 0 then
  local last = text(position)
  local batch = before .. ' ' .. last .. '\\n' .. table.concat(lines, '\\n')
  local strategy, threshold = bound(10000, 60)
  redis.call('HSET', KEYS[1], 'last', last)
  redis.call('EXPIRE', KEYS[1], 2 * keep + DAY)
  redis.call('XADD', KEYS[2], strategy, '~', threshold, last .. '-0', 'batch', batch)
  redis.call('EXPIRE', KEYS[2], 120)
  redis.call('PUBLISH', channel, batch)
end
return answers
"""
