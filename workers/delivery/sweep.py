"""What the sweeps of the delivery pool have in common: take what is due from a sorted set and see to it, in threads."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from time import monotonic
from typing import cast

import redis

from shared.redis import keys
from shared.redis.locks import held

THREADS = 16
BATCH = 100
MOST_LOOKED_AT = 5000
LOOK_EVERY_S = 0.2
TAKE_FOR_S = 5.0  # after this long a lane begins nothing new while it has something on its way
END_AFTER_S = 15.0  # and after this long none does
LOCK_S = 30.0  # a lock whose holder died keeps others waiting so long


def now_ms(client: redis.Redis) -> int:
    """Milliseconds since 1970 by Redis' clock, the one that all machines share."""
    seconds, micros = client.time()
    return int(seconds) * 1000 + int(micros) // 1000


def one_lane(members: Sequence[str]) -> list[str]:
    """All members share one lane."""
    return [""] * len(members)


def sweep(
    client: redis.Redis,
    due: str,
    see_to: Callable[[str], None],
    *,
    lanes_of: Callable[[Sequence[str]], Sequence[str]] = one_lane,
    lane_width: int = THREADS,
) -> None:
    """Call `see_to` once for each member of the sorted set `due` whose time (ms) has come; one sweep a set at a time.

    A member stays in the set until `see_to` takes it out or gives it a later time.  lanes_of: the lane of each member;
    `lane_width` of a lane are seen to at once, so that a slow lane leaves threads to the others.
    """
    with held(client, keys.sweep_lock(due), life_s=LOCK_S) as here:
        if here:
            _Sweep(client, due, lanes_of, lane_width).run(see_to)


class _Sweep:
    """One sweep: ends when nothing is due any more, or TAKE_FOR_S have passed and slow lanes have ended."""

    def __init__(
        self, client: redis.Redis, due: str, lanes_of: Callable[[Sequence[str]], Sequence[str]], lane_width: int
    ) -> None:
        self._redis, self._due, self._lanes_of, self._width = client, due, lanes_of, lane_width
        self._lane: dict[str, str] = {}  # of each member that was looked at
        self._seen: dict[str, float] = {}  # the time at which a member was due when it was begun with
        self._running: dict[Future[None], str] = {}
        self._began = monotonic()

    def run(self, see_to: Callable[[str], None]) -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            while True:
                for member, at in self._next():
                    self._seen[member] = at
                    self._running[pool.submit(see_to, member)] = member
                if not self._running:
                    return
                finished, _ = wait(self._running, timeout=LOOK_EVERY_S, return_when=FIRST_COMPLETED)
                for future in finished:
                    del self._running[future]
                    future.result()

    def _next(self) -> list[tuple[str, float]]:
        """Members to begin with now."""
        passed_s = monotonic() - self._began
        # Later on only lanes that are quick: the sweep ends when the slow ones have.
        width = self._width if passed_s < TAKE_FOR_S else 1
        if passed_s > END_AFTER_S or len(self._running) >= THREADS:
            return []
        busy = Counter(self._lane[member] for member in self._running.values())
        found: list[tuple[str, float]] = []
        for member, at in self._due_now():
            lane = self._lane[member]
            if busy[lane] < width:
                busy[lane] += 1
                found.append((member, at))
            if len(found) + len(self._running) >= THREADS:
                break
        return found

    def _due_now(self) -> Iterator[tuple[str, float]]:
        """Members whose time has come, and that is not the one they were seen to at, with their lanes looked up."""
        until = now_ms(self._redis)
        for offset in range(0, MOST_LOOKED_AT, BATCH):
            page = self._page(until, offset)
            under_way = set(self._running.values())
            fresh = [(one, at) for one, at in page if self._seen.get(one) != at and one not in under_way]
            unknown = [one for one, _at in fresh if one not in self._lane]
            self._lane.update(zip(unknown, self._lanes_of(unknown), strict=True))
            yield from fresh
            if len(page) < BATCH:
                return

    def _page(self, until: int, offset: int) -> list[tuple[str, float]]:
        found = self._redis.zrange(self._due, "-inf", until, byscore=True, offset=offset, num=BATCH, withscores=True)
        return [(str(member), float(at)) for member, at in cast("list[tuple[str, float]]", found)]
