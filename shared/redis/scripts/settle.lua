-- Take a job off what is due to be mirrored, unless something newer than what was sent is there: then it is due again.
-- A job that was removed meanwhile may have left its last state.
-- KEYS: job, mirror due, mirror states.  ARGV: job id, `seq` that was sent, now (ms), milliseconds between two sends.
local job_key, due, states = unpack(KEYS)
local id, sent_seq, now_ms, every_ms = unpack(ARGV)

local job = redis.call('GET', job_key)
local has_states = redis.call('LLEN', states) > 0
local is_newer = job and cjson.decode(job).seq > tonumber(sent_seq) or not job and has_states
if not is_newer then return redis.call('ZREM', due, id) end
local wait_ms = has_states and 0 or every_ms
redis.call('ZADD', due, now_ms + wait_ms, id)
