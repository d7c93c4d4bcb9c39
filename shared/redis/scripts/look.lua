-- A job, and how many go before it to the queues.
-- KEYS: job, then for each queue the owners that wait with normal jobs, those with low ones.
-- ARGV: LOW_EVERY, job id, owner.
-- Answer: {job, the number}: false where there is no job, -1 when it does not wait.  The jobs of an owner that wait are
--   at the key of the owners, ':' and the owner.
-- include ahead.lua
local low_every, id, owner = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local job = redis.call('GET', KEYS[1])
if not job then return {false, -1} end
for queue = 2, #KEYS, 2 do
  local normal, low = unpack(KEYS, queue, queue + 1)
  local ahead = ahead_of(low_every, id, owner, 'normal', normal, low, normal .. ':' .. owner)
    or ahead_of(low_every, id, owner, 'low', low, normal, low .. ':' .. owner)
  if ahead then return {job, ahead} end
end
return {job, -1}
