-- Count a request in its window, which begins with its first one.
-- KEYS: the window's count.  ARGV: seconds that a window lasts, how many requests this one counts for.
-- Answer: {requests in the window, milliseconds until it ends}.
local count = redis.call('INCRBY', KEYS[1], ARGV[2])
local left_ms = redis.call('PTTL', KEYS[1])
if left_ms < 0 then
  redis.call('EXPIRE', KEYS[1], ARGV[1])
  left_ms = ARGV[1] * 1000
end
return {count, left_ms}
