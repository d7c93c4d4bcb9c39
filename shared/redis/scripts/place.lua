-- Part of create.lua, change.lua and enrol.lua: note where a job stands on its way through the queues, and when the reaper
-- has to look at it.
-- at: {owners that wait, the owner's jobs that wait, jobs under way} of the queue where it stood, the same of the queue
--   where it stands now, the owner's jobs under way, counter of turns, held jobs, untaken jobs} (keys).
-- since_ms: since when it waits.  due_ms: of a job under way: since when it is due, 0 when a worker holds it, nil (watch
--   only) when it is not under way.
-- stands: 'waiting' to be admitted, 'underway' and due from due_ms on, '' nowhere, 'same' where it stood.
local function watch(at, id, due_ms)
  local held, untaken = unpack(at, 9, 10)
  if due_ms == 0 then
    local time = redis.call('TIME')
    redis.call('ZADD', held, time[1] * 1000 + math.floor(time[2] / 1000), id)
    redis.call('ZREM', untaken, id)
  elseif due_ms then
    redis.call('ZADD', untaken, due_ms, id)
    redis.call('ZREM', held, id)
  else
    redis.call('ZREM', held, id)
    redis.call('ZREM', untaken, id)
  end
end

local function place(at, id, owner, since_ms, stands, due_ms)
  if stands == 'same' then return end
  local old_owners, old_jobs, old_underway, owners, jobs, underway, underway_of_owner, turns = unpack(at)
  redis.call('ZREM', old_underway, id)
  redis.call('SREM', underway_of_owner, id)
  if redis.call('ZREM', old_jobs, id) == 1 and redis.call('EXISTS', old_jobs) == 0 then
    redis.call('ZREM', old_owners, owner)
  end
  if stands == 'waiting' then
    redis.call('ZADD', jobs, since_ms, id)
    if not redis.call('ZSCORE', owners, owner) then redis.call('ZADD', owners, redis.call('INCR', turns), owner) end
  elseif stands == 'underway' then
    redis.call('ZADD', underway, due_ms, id)
    redis.call('SADD', underway_of_owner, id)
  end
  watch(at, id, stands == 'underway' and tonumber(due_ms) or nil)
end
