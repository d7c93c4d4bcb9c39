-- What came of a call that was let in: count it, and open or close the breaker.
-- KEYS: breaker, its evidence, who was served lately, its probe, services with a breaker.
-- ARGV: what the call was about, token of the probe, '' when it was none; 'well', 'failed' or 'unknown'; 1 when any job makes such a call, else 0; how many failures open it;
-- in milliseconds: how often one counts, how long evidence, service and the breaker are kept; the service.
-- Answer: the event that this is, or ''.
local breaker, evidence, served, probe, services = unpack(KEYS)
local about, token, outcome, shared, fail_max, every_ms, evidence_ms, served_ms, kept_ms, service = unpack(ARGV)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local state = redis.call('HGET', breaker, 'state') or 'closed'
redis.call('ZADD', services, now, service)
redis.call('ZREMRANGEBYSCORE', services, '-inf', now - kept_ms)
redis.call('PEXPIRE', services, kept_ms)

local function forget()
  redis.call('HSET', breaker, 'failures', 0, 'shared', 0, 'failing', 0)
  redis.call('DEL', evidence)
end

local function open()
  redis.call('HSET', breaker, 'state', 'open', 'opened_at', now, 'failing', redis.call('HLEN', evidence))
  redis.call('PEXPIRE', evidence, kept_ms)
end

if token ~= '' then
  if redis.call('GET', probe) ~= token then return '' end
  redis.call('DEL', probe)
  if outcome == 'well' then
    redis.call('HSET', breaker, 'state', 'closed')
    forget()
    return 'breaker_closed'
  elseif outcome == 'failed' then
    redis.call('HSET', evidence, about, now)
    open()
    return 'breaker_probe_failed'
  end
  return ''
end

if outcome == 'well' then
  if shared == '1' then
    redis.call('ZADD', served, now, about)
    redis.call('ZREMRANGEBYSCORE', served, '-inf', now - served_ms)
    redis.call('PEXPIRE', served, served_ms)
  end
  if state == 'closed' and redis.call('EXISTS', evidence) == 1 then forget() end
  return ''
end

if outcome ~= 'failed' or state ~= 'closed' then return '' end
if now - (redis.call('HGET', evidence, about) or 0) < tonumber(every_ms) then return '' end
if redis.call('EXISTS', evidence) == 0 then forget() end
redis.call('HSET', evidence, about, now)
redis.call('PEXPIRE', evidence, evidence_ms)
local failing = redis.call('HLEN', evidence)
redis.call('HSET', breaker, 'failing', failing)
redis.call('PEXPIRE', breaker, kept_ms)
local failures = redis.call('HINCRBY', breaker, 'failures', 1)
local of_shared = redis.call('HINCRBY', breaker, 'shared', shared)

local function others_served()
  local found = redis.call('ZRANGEBYSCORE', served, now - served_ms, '+inf')
  return #found > 1 or (#found == 1 and found[1] ~= about)
end

fail_max = tonumber(fail_max)
if failures < fail_max then return '' end
if failing < 2 and (of_shared < fail_max or others_served()) then return '' end
open()
redis.call('HINCRBY', breaker, 'openings', 1)
return 'breaker_opened'
