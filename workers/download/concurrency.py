"""How many segments to fetch at once: more while that brings more, fewer when a server has trouble with so many.

A hill is climbed: after each change of the limit what arrives is measured for a while. A step up stays when it brings a
fair part of what so many more connections could bring; if not it is taken back and a smaller one is tried. At the top
the next one is tried now and then, up or down, ever more rarely while that brings nothing. 429, 5xx and timeouts halve
the limit at once.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

WINDOW_S = 0.3  # what is measured at a time
SETTLE_S = 0.15  # after a change before that: new connections have to bring something first
FAIR_GAIN = 0.3  # of what a proportional growth would bring
HARM = 0.9  # a step up that brings less than this of what was before does harm
BETTER = 1.05  # fewer connections have to bring so much more
GROWTH = 0.5
FIRST_PAUSE_S, PAUSE_AFTER_HARM_S, LONGEST_PAUSE_S = 2.0, 15.0, 60.0
TROUBLE_PAUSE_S = 1.0  # troubles closer together are one


@dataclass(frozen=True)
class Bounds:
    """Segments on their way together: at the start, at least, at most."""

    first: int = 4
    least: int = 1
    most: int = 16

    @classmethod
    def up_to(cls, most: int) -> "Bounds":
        return cls(first=min(cls.first, most), most=most)

    @classmethod
    def fixed(cls, count: int) -> "Bounds":
        return cls(count, count, count)


class AdaptiveLimit:
    """How many segments may be on their way together. `trouble` may be called from any thread, `look` from one."""

    def __init__(self, bounds: Bounds, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.value = bounds.first
        self.most = bounds.most
        self.was_too_much = False  # the last step was taken back: those on their way beyond the limit do harm
        self._bounds = bounds
        self._clock = clock
        self._lock = threading.Lock()
        self._troubled_at = -math.inf
        self._held = (bounds.first, 0.0)  # the limit to go back to, and what it brought (bytes/s; 0: not known)
        self._step = self._usual_step()
        self._direction = 1
        self._pause_s = FIRST_PAUSE_S
        self._next_try_at = 0.0
        self._window: tuple[float, int] | None = None  # when it began, and the bytes that had arrived then
        self._settled_at = clock() + SETTLE_S

    def trouble(self) -> None:
        """A server refuses, fails or stalls: half as many from now on."""
        with self._lock:
            now = self._clock()
            if now - self._troubled_at < TROUBLE_PAUSE_S:
                return
            self._troubled_at = now
            self._set(max(self._bounds.least, self.value // 2))
            self.was_too_much = False
            self._held = (self.value, 0.0)
            self._rest(now)

    def look(self, received: int, *, is_full: bool) -> None:
        """received: bytes that have arrived so far.  is_full: whether as many are on their way as may be.

        To be called often; what arrives while fewer are on their way says nothing.
        """
        with self._lock:
            now = self._clock()
            if not is_full:
                self._window = None
                return
            if now < self._settled_at:
                return
            if self._window is None:
                self._window = (now, received)
                return
            began, before = self._window
            if now - began >= WINDOW_S:
                self._window = (now, received)
                self._judge((received - before) / (now - began), now)

    def _judge(self, rate: float, now: float) -> None:
        count, brought = self._held
        self.was_too_much = False
        if self.value == count:
            self._held = (count, (brought + rate) / 2 if brought else rate)
            if now >= self._next_try_at:
                self._try()
        elif rate >= self._wanted(count, brought):
            self._held = (self.value, rate)
            self._pause_s = FIRST_PAUSE_S
            self._try()
        else:
            self.was_too_much = self.value > count and rate < brought * HARM
            self._take_back(count, now)

    def _wanted(self, count: int, brought: float) -> float:
        """What the limit that is tried has to bring to stay."""
        if self.value < count:
            return brought * BETTER
        return brought * (1 + FAIR_GAIN * (self.value / count - 1))

    def _try(self) -> None:
        """Go a step on from what is held; the other way when there is none left this way."""
        count = self._held[0]
        for direction in (self._direction, -self._direction):
            tried = min(max(count + direction * self._step, self._bounds.least), self._bounds.most)
            if tried != count:
                self._direction = direction
                self._set(tried)
                return

    def _take_back(self, count: int, now: float) -> None:
        self._set(count)
        if self._step > 1:
            self._step = 1
            self._try()
            return
        self._direction = -self._direction
        if self.was_too_much:
            self._pause_s = max(self._pause_s, PAUSE_AFTER_HARM_S)
        self._rest(now)

    def _rest(self, now: float) -> None:
        self._step = 1
        self._next_try_at = now + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    def _usual_step(self) -> int:
        return max(1, math.ceil(self.value * GROWTH))

    def _set(self, value: int) -> None:
        grew = value > self.value
        self.value = value
        if grew and self._step > 1:
            self._step = self._usual_step()
        self._window = None
        self._settled_at = self._clock() + SETTLE_S
