"""Which pool processes live: each says so every 2 s, by Redis' clock, so that no machine's own clock matters."""

import redis

from shared.redis import keys
from shared.redis.script import Script

SILENT_S = 10  # who has said nothing for this long counts as gone


def say_alive(client: redis.Redis, *, worker: str, queues: list[str], children: int = 1) -> None:
    """children: how many tasks the worker runs at once."""
    Script(client, "say_alive")([keys.workers(queue) for queue in queues], [f"{worker}/{children}", SILENT_S])


def live_workers(client: redis.Redis, queues: list[str]) -> dict[str, int]:
    """Worker processes (not their children) by queue."""
    counts = Script(client, "count_alive")([keys.workers(queue) for queue in queues], [SILENT_S])
    return dict(zip(queues, counts, strict=True))
