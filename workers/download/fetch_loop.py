"""The segment loop: several segments at once, as many as the link rewards, handed on in order."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from workers.download.hls import Fetched, GaveWay, SegmentFetcher
from workers.download.spool import Spool

TICK_S = 0.1
SPOOLED_BYTES = 512 * 2**20  # of disk, in all segments that are on their way or wait for their turn
SPOOLED_AHEAD = 4  # segments that wait for a slow one before them
USUAL_SEGMENT_BYTES = 8 * 2**20  # 10 s of 6 Mbit/s; what is guessed before one has been seen


def fetch_in_order(numbers: Sequence[int], fetcher: SegmentFetcher, *, tick: Callable[[], None]) -> Iterator[Fetched]:
    """Every segment of `numbers`, in that order; `tick` is called at least every TICK_S and may raise.

    As many are on their way as the fetcher's limit says, and SPOOLED_BYTES (but always one segment) on the disk.
    """
    loop = _Loop(numbers, fetcher)
    try:
        while (slot := loop.first()) is not None:
            while not slot.is_done:
                loop.wait()
                loop.look()
                tick()
            fetched = slot.future.result()
            yield fetched
            loop.handed_on()
            tick()
    finally:
        loop.end()


@dataclass(eq=False)
class _Slot:
    """A segment on its way, or waiting for its turn."""

    number: int
    spool: Spool
    future: "Future[Fetched]"
    is_done: bool = False


class _Loop:
    """The segments that are left, on their way, or wait for their turn. Threads that are done begin with the next."""

    def __init__(self, numbers: Sequence[int], fetcher: SegmentFetcher) -> None:
        self._fetcher = fetcher
        self._limit = fetcher.limit
        self._left = deque(numbers)
        self._in_order: deque[_Slot] = deque()
        self._running: dict[Future[Fetched], _Slot] = {}
        self._put_off: deque[_Slot] = deque()  # gave way, and begin again before those that are left
        self._free: list[Spool] = []
        self._largest = 0
        self._lock = threading.RLock()
        self._ended = False
        self._pool = ThreadPoolExecutor(self._limit.most, thread_name_prefix="segment")

    def first(self) -> _Slot | None:
        """The segment whose turn it is; None when all were handed on."""
        self._begin_more()
        return self._in_order[0] if self._in_order else None

    def wait(self) -> None:
        with self._lock:
            running = set(self._running)
        wait(running, timeout=TICK_S, return_when=FIRST_COMPLETED)

    def look(self) -> None:
        """Let the limit see what arrives, and do what it says."""
        with self._lock:
            is_full = bool(self._left) and len(self._running) >= self._limit.value
        self._limit.look(self._fetcher.bytes_read, is_full=is_full)
        if self._limit.was_too_much:
            self._make_way()
        self._begin_more()

    def _make_way(self) -> None:
        """Let the latest segments go of a step that was too much: where too many crawl they would for long."""
        with self._lock:
            slots = [slot for slot in self._in_order if slot.future in self._running]
            for slot in slots[self._limit.value :]:
                slot.spool.gives_way = True

    def handed_on(self) -> None:
        with self._lock:
            self._free.append(self._in_order.popleft().spool)

    def end(self) -> None:
        with self._lock:
            self._ended = True
        self._fetcher.stop()
        # Threads that hear of it late keep their spools until then.
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _begin_more(self) -> None:
        with self._lock:
            while not self._ended and len(self._running) < self._limit.value:
                if self._put_off:
                    self._run(self._put_off.popleft())
                elif self._left and self._has_room():
                    spool = self._free.pop() if self._free else Spool(self._fetcher.folder)
                    slot = _Slot(self._left.popleft(), spool, Future())
                    self._in_order.append(slot)
                    self._run(slot)
                else:
                    return

    def _has_room(self) -> bool:
        held = len(self._in_order)
        most = min(self._limit.value + SPOOLED_AHEAD, SPOOLED_BYTES // (self._largest or USUAL_SEGMENT_BYTES))
        return held == 0 or held < most

    def _run(self, slot: _Slot) -> None:
        slot.spool.gives_way = False
        slot.future = self._pool.submit(self._fetcher.fetch, slot.number, slot.spool)
        self._running[slot.future] = slot
        slot.future.add_done_callback(self._done)

    def _done(self, future: "Future[Fetched]") -> None:
        """Called by the thread that is done."""
        with self._lock:
            slot = self._running.pop(future)
            error = None if future.cancelled() else future.exception()
            if isinstance(error, GaveWay):
                self._put_off.append(slot)
                return
            slot.is_done = True
            self._largest = max(self._largest, len(slot.spool))
            if error is None:
                self._begin_more()
