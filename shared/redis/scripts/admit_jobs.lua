-- Take waiting jobs whose turn it is, as many as there are places for, and count them as under way.
-- A queue has places for each child of its live workers, one child at least; all queues together too: a job that begins
-- will need a place at the later ones. Owners take turns; each LOW_EVERY-th admission is a low one when one waits.
-- KEYS: counter of turns, admissions by queue, untaken jobs, then for each queue, the last one first: owners that wait with normal
--   jobs, those with low ones, jobs under way, workers.
-- ARGV: most jobs to take, places a child, an owner's share of all places, seconds after which a silent worker is gone,
--   which admission is a low one, beginning of the keys of an owner's jobs under way.
-- Answer: the ids of the jobs.  The jobs of an owner that wait are at the key of the owners, ':' and the owner.
local turns, admissions, untaken = unpack(KEYS, 1, 3)
local limit, places_a_child, owner_share, silent_s, low_every = unpack(ARGV, 1, 5)
local underway_of = ARGV[6]
limit = tonumber(limit)

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)

local function children(workers)
  local sum = 0
  for _, worker in ipairs(redis.call('ZRANGEBYSCORE', workers, time[1] - silent_s, '+inf')) do
    sum = sum + (tonumber(string.match(worker, '/(%d+)$')) or 1)
  end
  return math.max(1, sum)
end

local queues, all_places, all_free = {}, 0, 0
for i = 4, #KEYS, 4 do
  local normal, low, underway, workers = unpack(KEYS, i, i + 3)
  local places = children(workers) * places_a_child
  local free = places - redis.call('ZCOUNT', underway, '-inf', now_ms)
  all_places, all_free = all_places + places, all_free + free
  table.insert(queues, {normal = normal, low = low, underway = underway, free = free})
end

-- The first owner in turn with less than its share under way.
local function next_owner(owners)
  for _, owner in ipairs(redis.call('ZRANGE', owners, 0, -1)) do
    if redis.call('SCARD', underway_of .. owner) < all_places * owner_share then return owner end
  end
end

local function next_of(queue)
  local count = tonumber(redis.call('HGET', admissions, queue.underway) or 0) + 1
  local first, second = queue.normal, queue.low
  if count % low_every == 0 then first, second = second, first end
  local owner, owners = next_owner(first), first
  if not owner then owner, owners = next_owner(second), second end
  return owner, owners
end

local function admit(queue, owner, owners)
  local jobs = owners .. ':' .. owner
  local id, since_ms = unpack(redis.call('ZRANGE', jobs, 0, 0, 'WITHSCORES'))
  redis.call('ZREM', jobs, id)
  if redis.call('EXISTS', jobs) == 1 then
    redis.call('ZADD', owners, redis.call('INCR', turns), owner)
  else
    redis.call('ZREM', owners, owner)
  end
  redis.call('HINCRBY', admissions, queue.underway, 1)
  -- It waits since it was accepted; for its message since now. A clock that is ahead must not leave its place to others.
  redis.call('ZADD', queue.underway, math.min(since_ms, now_ms), id)
  redis.call('ZADD', untaken, now_ms, id)
  redis.call('SADD', underway_of .. owner, id)
  return id
end

local admitted = {}
for _, queue in ipairs(queues) do
  while #admitted < limit and queue.free > 0 and all_free > 0 do
    local owner, owners = next_of(queue)
    if not owner then break end
    table.insert(admitted, admit(queue, owner, owners))
    queue.free, all_free = queue.free - 1, all_free - 1
  end
end
return admitted
