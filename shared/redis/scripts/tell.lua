-- Part of create.lua and change.lua: note what has to be told to others of a change.
-- outbox: {mirror due, mirror states, webhooks due, webhooks of the job} (keys).
-- limits: {most states kept, seconds they are kept, milliseconds between two sends of the same status}.
-- changed: 'status' when that changed.  event, record: of a webhook, '' for none.
local function tell(outbox, limits, id, changed, job, event, record)
  local mirror_due, states, webhooks_due, webhooks = unpack(outbox)
  local most_states, states_life_s, every_ms = unpack(limits)
  local time = redis.call('TIME')
  local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  if changed == 'status' then
    redis.call('ZADD', mirror_due, now_ms, id)
    redis.call('RPUSH', states, job)
    redis.call('LTRIM', states, -most_states, -1)
    redis.call('EXPIRE', states, states_life_s)
  else
    redis.call('ZADD', mirror_due, 'NX', now_ms + every_ms, id)
  end
  if event ~= '' and redis.call('HSETNX', webhooks, event, record) == 1 then
    redis.call('ZADD', webhooks_due, now_ms, id .. '/' .. event)
  end
end
