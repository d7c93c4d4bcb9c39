"""Which pool processes live: each says so every 2 s, by Redis' clock, so that no machine's own clock matters."""

import redis

PREFIX = "klip:workers:"
SILENT_S = 10  # who has said nothing for this long counts as gone

_BEAT = """
local now = tonumber(redis.call('TIME')[1])
for _, key in ipairs(KEYS) do
  redis.call('ZADD', key, now, ARGV[1])
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - ARGV[2])
end
"""
_LIVE = """
local now, live = tonumber(redis.call('TIME')[1]), {}
for i, key in ipairs(KEYS) do live[i] = redis.call('ZCOUNT', key, now - ARGV[1], '+inf') end
return live
"""


def say_alive(client: redis.Redis, *, worker: str, queues: list[str]) -> None:
    client.register_script(_BEAT)(keys=[PREFIX + queue for queue in queues], args=[worker, SILENT_S])


def live_workers(client: redis.Redis, queues: list[str]) -> dict[str, int]:
    """Worker processes (not their children) by queue."""
    counts = client.register_script(_LIVE)(keys=[PREFIX + queue for queue in queues], args=[SILENT_S])
    return dict(zip(queues, counts, strict=True))
