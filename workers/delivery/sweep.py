"""What the sweeps of the delivery pool have in common: take what is due from a sorted set and see to it, in threads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import redis

from shared.redis import keys
from shared.redis.locks import held

THREADS = 8
BATCH = 100
TAKE_FOR_S = 5.0  # a sweep begins nothing new after this long
LOCK_S = 30.0  # a lock whose holder died keeps others waiting so long


def now_ms(client: redis.Redis) -> int:
    """Milliseconds since 1970 by Redis' clock, the one that all machines share."""
    seconds, micros = client.time()
    return int(seconds) * 1000 + int(micros) // 1000


def sweep(client: redis.Redis, due: str, see_to: Callable[[str], None]) -> None:
    """Call `see_to` once for each member of the sorted set `due` whose time (ms) has come; one sweep a set at a time.

    A member stays in the set until `see_to` takes it out or gives it a later time.
    """
    with held(client, keys.sweep_lock(due), life_s=LOCK_S) as here:
        if not here:
            return
        seen: set[str] = set()
        deadline = monotonic() + TAKE_FOR_S
        with ThreadPoolExecutor(THREADS) as pool:
            while monotonic() < deadline and (members := _next(client, due, seen)):
                seen.update(members)
                list(pool.map(see_to, members))


def _next(client: redis.Redis, due: str, seen: set[str]) -> list[str]:
    found = client.zrange(due, "-inf", now_ms(client), byscore=True, offset=0, num=BATCH + len(seen))
    return [str(member) for member in found if member not in seen][:THREADS]
