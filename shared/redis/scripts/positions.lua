-- How many jobs go before each of some that wait to be admitted: owners take turns, and of both priorities the low one
-- has each LOW_EVERY-th admission. An estimate: what an owner may have under way at most is left out.
-- KEYS: for each job the owners that wait with jobs of its priority, those of the other priority, its owner's jobs.
-- ARGV: LOW_EVERY, then for each job its id, its owner, its priority.
-- Answer: for each job the number, -1 when it does not wait.  The jobs of an owner that wait are at the key of the
--   owners, ':' and the owner.
local low_every = tonumber(ARGV[1])

-- Jobs of all owners; with an owner and its job's rank only those whose turn comes before.
local function count(owners, owner, rank)
  local sum, is_before = 0, true
  for _, other in ipairs(redis.call('ZRANGE', owners, 0, -1)) do
    if other == owner then
      sum, is_before = sum + rank, false
    else
      local jobs = redis.call('ZCARD', owners .. ':' .. other)
      sum = sum + (rank and math.min(jobs, is_before and rank + 1 or rank) or jobs)
    end
  end
  return sum
end

local answer = {}
for i = 1, #KEYS / 3 do
  local same, others, jobs = unpack(KEYS, 3 * i - 2, 3 * i)
  local id, owner, priority = unpack(ARGV, 3 * i - 1, 3 * i + 1)
  local rank = redis.call('ZRANK', jobs, id)
  if rank then
    local ahead = count(same, owner, rank)
    local of_others = priority == 'low' and (ahead + 1) * (low_every - 1) or math.floor(ahead / (low_every - 1))
    answer[i] = ahead + math.min(of_others, count(others))
  else
    answer[i] = -1
  end
end
return answer
