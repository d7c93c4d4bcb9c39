-- Keep what became of a webhook event, and when it is tried again. Nothing is written for a job that was removed.
-- KEYS: webhooks of the job, webhooks due.  ARGV: event id, record, JOB/EVENT, next try (ms) or '' for never.
local webhooks, due = unpack(KEYS)
local event_id, record, member, next_ms = unpack(ARGV)

redis.call('ZREM', due, member)
if redis.call('HEXISTS', webhooks, event_id) == 0 then return end
redis.call('HSET', webhooks, event_id, record)
if next_ms ~= '' then redis.call('ZADD', due, next_ms, member) end
