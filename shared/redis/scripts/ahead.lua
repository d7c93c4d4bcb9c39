-- Part of positions.lua, look.lua and submit.lua: how many jobs go before one that waits to be admitted.
-- Owners take turns, and of both priorities the low one has each low_every-th admission. An estimate: what an owner may
-- have under way at most is left out.
-- same, others: owners that wait with jobs of its priority, those of the other priority.  jobs: its owner's of its
--   priority (keys; the jobs of an owner that wait are at the key of the owners, ':' and the owner).
-- Answer: the number, nil when the job does not wait there.

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

local function ahead_of(low_every, id, owner, priority, same, others, jobs)
  local rank = redis.call('ZRANK', jobs, id)
  if not rank then return nil end
  local ahead = count(same, owner, rank)
  local of_others = priority == 'low' and (ahead + 1) * (low_every - 1) or math.floor(ahead / (low_every - 1))
  return ahead + math.min(of_others, count(others))
end
