-- Part of create.lua, change.lua and enrol.lua: note where a job stands on its way through the queues.
-- at: {owners that wait, the owner's jobs that wait, jobs under way} of the queue where it stood, the same of the queue
--   where it stands now, the owner's jobs under way, counter of turns} (keys).
-- stands: 'waiting' to be admitted, 'underway' and due from due_ms on, '' nowhere, 'same' where it stood.
local function place(at, id, owner, created_ms, stands, due_ms)
  if stands == 'same' then return end
  local old_owners, old_jobs, old_underway, owners, jobs, underway, underway_of_owner, turns = unpack(at)
  redis.call('ZREM', old_underway, id)
  redis.call('SREM', underway_of_owner, id)
  if redis.call('ZREM', old_jobs, id) == 1 and redis.call('EXISTS', old_jobs) == 0 then
    redis.call('ZREM', old_owners, owner)
  end
  if stands == 'waiting' then
    redis.call('ZADD', jobs, created_ms, id)
    if not redis.call('ZSCORE', owners, owner) then redis.call('ZADD', owners, redis.call('INCR', turns), owner) end
  elseif stands == 'underway' then
    redis.call('ZADD', underway, due_ms, id)
    redis.call('SADD', underway_of_owner, id)
  end
end
