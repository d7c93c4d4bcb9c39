"""One thread that does things at their time, for all the clients of a process."""

import heapq
import itertools
import math
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

AT_ONCE = 200  # then others get a turn
T = TypeVar("T")


class Alarms(Generic[T]):
    """`at(when, action, subject)` calls `action(subject, now)` under `lock`. Started once, it runs for ever."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._heap: list[tuple[float, int, Callable[[T, float], None], T]] = []
        self._numbers = itertools.count()
        self._is_changed = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="alarms", daemon=True).start()

    def at(self, when: float, action: Callable[[T, float], None], subject: T) -> None:
        """when: on the monotonic clock. To be called under the lock."""
        heapq.heappush(self._heap, (when, next(self._numbers), action, subject))
        if self._heap[0][0] == when:
            self._is_changed.set()

    def _run(self) -> None:
        while True:
            self._is_changed.clear()
            with self._lock:
                wait_s = self._do_what_is_due()
            if wait_s > 0:
                self._is_changed.wait(None if wait_s == math.inf else wait_s)
            else:
                time.sleep(0)

    def _do_what_is_due(self) -> float:
        """Seconds until there is more."""
        now = time.monotonic()
        for _ in range(AT_ONCE):
            if not self._heap or self._heap[0][0] > now:
                break
            _, _, action, subject = heapq.heappop(self._heap)
            action(subject, now)
        return self._heap[0][0] - time.monotonic() if self._heap else math.inf
