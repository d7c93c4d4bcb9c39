-- Accept a job, or find the one that the request means; all of it or nothing. A key whose job was removed is free.
-- KEYS: idempotency key, running job of the same work, the owner's active jobs, all active jobs, job, events,
--   the four of tell.lua, the ten of place.lua, then every index that the job belongs to.
-- ARGV: hash of the body ('' without an Idempotency-Key), 'force' or '', seconds that an Idempotency-Key lives, most
--   active jobs, job id, job, created at (ms), message of the first event, channel, the three limits of tell.lua, owner,
--   waits since (ms).
-- Answer: {'seen', 'BODYHASH ID'}, {'running', ID}, {'full', ''} or {'created', ID}.
-- include tell.lua
-- include place.lua
local idempotency, running, active_of_owner, active, job_key, events = unpack(KEYS, 1, 6)
local outbox, at, first_index = {unpack(KEYS, 7, 10)}, {unpack(KEYS, 11, 20)}, 21
local body_hash, force, idempotency_life_s, most_active, id, job, created_ms, message, channel = unpack(ARGV, 1, 9)
local limits, owner, since_ms = {unpack(ARGV, 10, 12)}, ARGV[13], ARGV[14]

local function remember(found)
  if body_hash ~= '' then redis.call('SET', idempotency, body_hash .. ' ' .. found, 'EX', idempotency_life_s) end
end

local seen = body_hash ~= '' and redis.call('GET', idempotency)
if seen then
  local of_seen = string.sub(job_key, 1, -#id - 1) .. string.match(seen, ' (.*)$')
  if redis.call('EXISTS', of_seen) == 1 then return {'seen', seen} end
end
local same = force == '' and redis.call('GET', running)
if same then
  remember(same)
  return {'running', same}
end
if redis.call('SCARD', active_of_owner) >= tonumber(most_active) then return {'full', ''} end
remember(id)
redis.call('SET', running, id)
redis.call('SADD', active_of_owner, id)
redis.call('SADD', active, id)
redis.call('SET', job_key, job)
for i = first_index, #KEYS do redis.call('ZADD', KEYS[i], created_ms, id) end
place(at, id, owner, since_ms, 'waiting')
tell(outbox, limits, id, 'status', job, '', '')
local event_id = redis.call('XADD', events, '*', 'message', message)
redis.call('PUBLISH', channel, '{"id":"' .. event_id .. '",' .. string.sub(message, 2))
return {'created', id}
