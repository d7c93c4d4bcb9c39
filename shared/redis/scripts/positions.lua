-- How many jobs go before each of some that wait to be admitted: an estimate, see ahead.lua.
-- KEYS: for each job the owners that wait with jobs of its priority, those of the other priority, its owner's jobs.
-- ARGV: LOW_EVERY, then for each job its id, its owner, its priority.
-- Answer: for each job the number, -1 when it does not wait.
-- include ahead.lua
local answer = {}
for i = 1, #KEYS / 3 do
  local id, owner, priority = unpack(ARGV, 3 * i - 1, 3 * i + 1)
  answer[i] = ahead_of(tonumber(ARGV[1]), id, owner, priority, unpack(KEYS, 3 * i - 2, 3 * i)) or -1
end
return answer
