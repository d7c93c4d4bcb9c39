-- Whether a call may go to a service. Anything but closed is let through once, by the probe's key; while a probe is on
-- its way the others wait as long again as it has taken so far. What has failed already probes some time after others
-- could have; and where the service failed for one only, the next other one probes at once: it may be that one's own
-- trouble.
-- KEYS: breaker, its evidence, its probe.  ARGV: what the call is about, token of the caller; in milliseconds: from
-- opening to the probe, life of a probe, how long others go first, how long the breaker is kept.
-- Answer: {state, 0, 0}, or {'refused', milliseconds to wait, 1 when all the evidence is the caller's own, else 0}.
local breaker, evidence, probe = unpack(KEYS)
local about, token, reset_ms, probe_ms, others_first_ms, kept_ms = unpack(ARGV)
local state = redis.call('HGET', breaker, 'state') or 'closed'
if state == 'closed' then return {state, 0, 0} end

local function figure(name) return tonumber(redis.call('HGET', breaker, name) or 0) end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local has_failed = redis.call('HEXISTS', evidence, about) == 1
local alone = has_failed and redis.call('HLEN', evidence) == 1
local due = state == 'open' and figure('opened_at') + reset_ms or figure('probe_at')
if has_failed and not alone then due = due + others_first_ms end
if not has_failed and redis.call('HLEN', evidence) == 1 then due = now end
redis.call('PEXPIRE', breaker, kept_ms)
local wait = due - now
if wait <= 0 then
  if redis.call('SET', probe, token, 'NX', 'PX', probe_ms) then
    redis.call('HINCRBY', breaker, 'probes', 1)
    redis.call('HSET', breaker, 'state', 'half-open', 'probe_at', now)
    return {state, 0, 0}
  end
  wait = math.max(1000, now - figure('probe_at'))
end
redis.call('HINCRBY', breaker, 'refusals', 1)
return {'refused', wait, alone and 1 or 0}
