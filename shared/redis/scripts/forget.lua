-- Forget a finished job with all that is kept about it, if nobody was faster.
-- KEYS: job, events, mirror due, mirror states, since when mirroring fails, webhooks due, webhooks of the job, what was
--   said about its highlights, then every sorted set that the job belongs to.
-- ARGV: `seq` of the job, its id, its last state for the mirror ('' when the mirror is not to be told), seconds that is
--   kept.
-- Answer: 'ok', 'gone' or 'conflict'.
local job_key, events, mirror_due, states, failing, webhooks_due, webhooks, edits = unpack(KEYS, 1, 8)
local first_set = 9
local seq, id, last_state, states_life_s = unpack(ARGV)

local job = redis.call('GET', job_key)
if not job then return 'gone' end
if cjson.decode(job).seq ~= tonumber(seq) then return 'conflict' end
for _, event in ipairs(redis.call('HKEYS', webhooks)) do redis.call('ZREM', webhooks_due, id .. '/' .. event) end
redis.call('DEL', job_key, events, states, failing, webhooks, edits)
for i = first_set, #KEYS do redis.call('ZREM', KEYS[i], id) end
if last_state == '' then
  redis.call('ZREM', mirror_due, id)
else
  local time = redis.call('TIME')
  redis.call('RPUSH', states, last_state)
  redis.call('EXPIRE', states, states_life_s)
  redis.call('ZADD', mirror_due, time[1] * 1000 + math.floor(time[2] / 1000), id)
end
return 'ok'
