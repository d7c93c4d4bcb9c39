-- How many workers of each queue live.
-- KEYS: the workers of each queue.  ARGV: seconds after which a silent one is gone.  Answer: a number for each key.
local silent_s = ARGV[1]

local now_s, counts = tonumber(redis.call('TIME')[1]), {}
for i, workers in ipairs(KEYS) do counts[i] = redis.call('ZCOUNT', workers, now_s - silent_s, '+inf') end
return counts
