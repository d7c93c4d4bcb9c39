-- How many jobs wait for each queue, admitted or not, and how many are worked on. What is put off does not wait yet.
-- KEYS: for each queue: owners that wait with jobs of each priority, and jobs under way.  ARGV: how many keys a queue has.
-- Answer for each queue: {waiting, at work, longest wait (ms) or -1}.
local step = tonumber(ARGV[1])

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local answer = {}
for i = 1, #KEYS, step do
  local underway = KEYS[i + step - 1]
  local waiting = redis.call('ZCOUNT', underway, '(0', now_ms)
  local oldest = tonumber(redis.call('ZRANGEBYSCORE', underway, '(0', now_ms, 'WITHSCORES', 'LIMIT', 0, 1)[2])
  for k = i, i + step - 2 do
    for _, owner in ipairs(redis.call('ZRANGE', KEYS[k], 0, -1)) do
      local jobs = KEYS[k] .. ':' .. owner
      waiting = waiting + redis.call('ZCARD', jobs)
      local first = tonumber(redis.call('ZRANGE', jobs, 0, 0, 'WITHSCORES')[2])
      if first and (not oldest or first < oldest) then oldest = first end
    end
  end
  table.insert(answer, {waiting, redis.call('ZCOUNT', underway, 0, 0), oldest and math.max(0, now_ms - oldest) or -1})
end
return answer
