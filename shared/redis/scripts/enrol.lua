-- Note where a job stands if that is not known, and when the reaper looks at it, if the job is still as it was seen.
-- KEYS: job, the ten of place.lua.  ARGV: `seq` of the job as seen, its id, owner, waits since (ms), where it stands,
--   due from (ms).  Answer: 1 if it was not known where it stands.
-- include place.lua
local job_key, at = KEYS[1], {unpack(KEYS, 2, 11)}
local seq, id, owner, since_ms, stands, due_ms = unpack(ARGV)

local job = redis.call('GET', job_key)
if not job or cjson.decode(job).seq ~= tonumber(seq) then return 0 end
local _, _, _, _, jobs, underway = unpack(at)
local due = redis.call('ZSCORE', underway, id)
if stands == '' or redis.call('ZSCORE', jobs, id) then
  watch(at, id, nil)
  return 0
elseif due then
  watch(at, id, tonumber(due))
  return 0
end
place(at, id, owner, since_ms, stands, due_ms)
return 1
