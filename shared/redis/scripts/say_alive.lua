-- Note that a worker lives, and forget those that have said nothing for long.
-- KEYS: the workers of each queue it reads.  ARGV: worker, seconds after which a silent one is gone.
local worker, silent_s = unpack(ARGV)

local now_s = tonumber(redis.call('TIME')[1])
for _, workers in ipairs(KEYS) do
  redis.call('ZADD', workers, now_s, worker)
  redis.call('ZREMRANGEBYSCORE', workers, '-inf', now_s - silent_s)
end
