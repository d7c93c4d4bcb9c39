-- The jobs that the reaper has to look at: those whose holder lets its lease run out, and those that should have been
-- taken by now. What is answered is due again only after a while, so that a look that died is made again.
-- A time that is too far ahead was written before the clock was set back: it is due too.
-- KEYS: held jobs, untaken jobs.
-- ARGV: beginning of the leases' keys, most jobs of each kind, 'grace' while holders may still take up their leases or
--   ''; in milliseconds: life of a lease, from being due to being looked for, longest time a job is put off, until one
--   whose lease is gone is answered again.
-- Answer: {ids of held jobs without a lease, ids of untaken jobs}.
local held, untaken = unpack(KEYS)
local lease, limit, grace = unpack(ARGV, 1, 3)
local life_ms, unsent_ms, longest_ms, again_ms = unpack(ARGV, 4, 7)

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)

local function due(set, until_ms, too_far_ms)
  local ids = redis.call('ZRANGEBYSCORE', set, '-inf', until_ms, 'LIMIT', 0, limit)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', set, '(' .. too_far_ms, '+inf', 'LIMIT', 0, limit)) do
    table.insert(ids, id)
  end
  return ids
end

local lost, waiting = {}, due(untaken, now_ms - unsent_ms, now_ms + longest_ms)
for _, id in ipairs(waiting) do redis.call('ZADD', untaken, now_ms, id) end
if grace == '' then
  for _, id in ipairs(due(held, now_ms - life_ms, now_ms)) do
    local left_ms = redis.call('PTTL', lease .. id)
    if left_ms <= 0 then
      table.insert(lost, id)
      left_ms = again_ms
    end
    redis.call('ZADD', held, now_ms - life_ms + left_ms, id)
  end
end
return {lost, waiting}
