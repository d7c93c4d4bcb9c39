-- Whether a call may go to a service. Anything but closed is let through once, by the probe's key; while a probe is on
-- its way the others wait as long again as it has taken so far.
-- KEYS: breaker, its probe.  ARGV: token of the caller, milliseconds from opening to the probe, life of a probe (ms).
-- Answer: {state, 0}, or {'refused', milliseconds to wait}.
local breaker, probe = unpack(KEYS)
local token, reset_ms, probe_life_ms = unpack(ARGV)

local state = redis.call('HGET', breaker, 'state') or 'closed'
if state == 'closed' then return {state, 0} end
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local left_ms = redis.call('HGET', breaker, 'opened_at') + reset_ms - now_ms
if state ~= 'open' or left_ms <= 0 then
  if redis.call('SET', probe, token, 'NX', 'PX', probe_life_ms) then
    redis.call('HINCRBY', breaker, 'probes', 1)
    return {state, 0}
  end
  left_ms = math.max(1000, probe_life_ms - redis.call('PTTL', probe))
end
redis.call('HINCRBY', breaker, 'refusals', 1)
return {'refused', left_ms}
