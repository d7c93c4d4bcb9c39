-- Bring a circuit breaker into a state, noting when it opened.
-- KEYS: breaker.  ARGV: the state.  Answer: the state before, '' when it was this one.
local breaker, state = KEYS[1], ARGV[1]

local old = redis.call('HGET', breaker, 'state') or 'closed'
if old == state then return '' end
redis.call('HSET', breaker, 'state', state)
if state == 'open' then
  local time = redis.call('TIME')
  redis.call('HSET', breaker, 'opened_at', time[1] * 1000 + math.floor(time[2] / 1000))
  if old == 'closed' then redis.call('HINCRBY', breaker, 'openings', 1) end
end
return old
