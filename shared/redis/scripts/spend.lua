-- Take from a day's budget and count it in one step: two workers can't both have the last hour.
-- KEYS: what was spent that day.  ARGV: amount (negative ones are given back), most a day, seconds the count is kept.
-- Answer: 1, or 0 when too little is left.
local spent_key = KEYS[1]
local amount, most, kept_s = unpack(ARGV)

local spent = tonumber(redis.call('GET', spent_key) or '0') + amount
if tonumber(amount) > 0 and spent > tonumber(most) then return 0 end
redis.call('SET', spent_key, tostring(math.max(spent, 0)), 'EX', kept_s)
return 1
