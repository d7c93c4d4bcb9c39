"""Doing something often asked for only now and then."""

import time


class Throttle:
    """Lets something happen at most every `seconds`, the first time at once."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._next = seconds, 0.0

    def is_due(self) -> bool:
        """Whether it may happen now; if so the time begins anew."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._seconds
        return True
