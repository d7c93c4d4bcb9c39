-- Note where a job stands if that is not known, and the job is still as it was seen.
-- KEYS: job, the eight of place.lua.  ARGV: `seq` of the job as seen, its id, owner, created at (ms), where it stands,
--   due from (ms).  Answer: 1 if it was noted.
-- include place.lua
local job_key, at = KEYS[1], {unpack(KEYS, 2, 9)}
local seq, id, owner, created_ms, stands, due_ms = unpack(ARGV)

local job = redis.call('GET', job_key)
if not job or cjson.decode(job).seq ~= tonumber(seq) then return 0 end
local _, _, _, _, jobs, underway = unpack(at)
if redis.call('ZSCORE', jobs, id) or redis.call('ZSCORE', underway, id) then return 0 end
place(at, id, owner, created_ms, stands, due_ms)
return 1
