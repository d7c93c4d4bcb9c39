-- Whether the stage is still this claim's; if so its lease lives on.
-- A lease that ran out while its holder was stalled may be taken up again as long as nobody else was given the stage.
-- The token is compared with the job's: after a cancel the lease is still there, but the stage is not its holder's.
-- KEYS: job, lease, held jobs.  ARGV: token, life of a lease (ms), job id.  Answer: 1 or 0.
local job_key, lease, held = unpack(KEYS)
local token, life_ms, id = unpack(ARGV)

local text = redis.call('GET', job_key)
if not text then return 0 end
local job = cjson.decode(text)
if tostring(job.token) ~= token or type(job.holder) ~= 'string' then return 0 end
local held_by = redis.call('GET', lease)
if held_by and held_by ~= token then return 0 end
redis.call('SET', lease, token, 'PX', life_ms)
local time = redis.call('TIME')
redis.call('ZADD', held, time[1] * 1000 + math.floor(time[2] / 1000), id)
return 1
