-- Replace a job by its next state, if nobody was faster, with its indexes, its event and its message.
-- KEYS: job, events, lease, all active jobs, the owner's active jobs, running job of the same work, index of the old
--   status, index of the new one, finished jobs, cancelled jobs, the four of tell.lua, the ten of place.lua, counters,
--   then the other indexes that it joins, and those that it leaves.
-- ARGV: `seq` of the old state, new state, message, lease ('' leaves it, 'drop' removes it, a token takes it if nobody
--   holds it), life of a lease (ms), job id, channel, created at (ms), 'terminal' or '', most events kept, changed at
--   (ms), 'status' if that changed or '', id of a webhook event or '', its record, the three limits of tell.lua, owner,
--   waits since (ms), where it stands, due from (ms), 'cancelled' if it is that or '', most unfinished jobs of the owner
--   when this begins one again or '', how many indexes it joins, field of the counters that counts this
--   end of a job or ''.
-- Answer: 'ok', 'gone', 'conflict', 'held' or 'full'.
-- include tell.lua
-- include place.lua
local job_key, events, lease, active, active_of_owner, running, old_index, new_index, finished = unpack(KEYS, 1, 9)
local cancelled, outbox, at = KEYS[10], {unpack(KEYS, 11, 14)}, {unpack(KEYS, 15, 24)}
local old_seq, job, message, lease_wanted, lease_life_ms, id, channel, created_ms, terminal = unpack(ARGV, 1, 9)
local most_events, changed_ms, changed, webhook, webhook_record = unpack(ARGV, 10, 14)
local limits = {unpack(ARGV, 15, 17)}
local owner, since_ms, stands, due_ms, is_cancelled, most_active = unpack(ARGV, 18, 23)
local counters, counted = KEYS[25], ARGV[25]
local first_index, joins = 26, tonumber(ARGV[24])

local old = redis.call('GET', job_key)
if not old then return 'gone' end
if cjson.decode(old).seq ~= tonumber(old_seq) then return 'conflict' end
if most_active ~= '' and redis.call('SCARD', active_of_owner) >= tonumber(most_active) then return 'full' end
if lease_wanted == 'drop' then
  redis.call('DEL', lease)
elseif lease_wanted ~= '' then
  if redis.call('EXISTS', lease) == 1 then return 'held' end
  redis.call('SET', lease, lease_wanted, 'PX', lease_life_ms)
end
redis.call('SET', job_key, job)
if old_index ~= new_index then
  local created = redis.call('ZSCORE', old_index, id)
  redis.call('ZREM', old_index, id)
  redis.call('ZADD', new_index, created or created_ms, id)
end
for i = first_index, #KEYS do
  if i < first_index + joins then redis.call('ZADD', KEYS[i], created_ms, id) else redis.call('ZREM', KEYS[i], id) end
end
if terminal == 'terminal' then
  redis.call('SREM', active, id)
  redis.call('SREM', active_of_owner, id)
  if redis.call('GET', running) == id then redis.call('DEL', running) end
  redis.call('ZADD', finished, changed_ms, id)
else
  redis.call('ZREM', finished, id)
  redis.call('SADD', active, id)
  redis.call('SADD', active_of_owner, id)
  redis.call('SET', running, id, 'NX')
end
if counted ~= '' then redis.call('HINCRBYFLOAT', counters, counted, 1) end
if is_cancelled == 'cancelled' then
  redis.call('ZADD', cancelled, changed_ms, id)
else
  redis.call('ZREM', cancelled, id)
end
place(at, id, owner, since_ms, stands, due_ms)
tell(outbox, limits, id, changed, job, webhook, webhook_record)
local event_id = redis.call('XADD', events, 'MAXLEN', '~', most_events, '*', 'message', message)
redis.call('PUBLISH', channel, '{"id":"' .. event_id .. '",' .. string.sub(message, 2))
return 'ok'
