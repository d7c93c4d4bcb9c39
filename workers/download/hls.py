"""The segment loop: several segments at once, each watched and tried again, handed on in order, memory bounded."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import NamedTuple

import requests
from urllib3.exceptions import ProtocolError

from shared.errors import Cancelled, ConnectionFailed, NetworkTimeout, UnsupportedFormat, VideoSizeExceeded
from shared.net.retry import RetryPolicy, call_with_retry
from shared.redis.breaker import CallFor, unguarded
from workers.download.http import RETRIED, Session, check_status, converted_errors, send
from workers.download.ledger import Kind
from workers.download.playlist import Resource, Segment

READ_BYTES = 512 * 1024
GRANULE_BYTES = 512 * 1024
USUAL_SEGMENT_BYTES = 8 * 2**20  # 10 s of 6 Mbit/s; what is guessed before one has been seen
MAX_SEGMENT_BYTES = 64 * 2**20
BUFFERED_BYTES = 64 * 2**20  # in all segments that are on their way or wait for their turn
SPARE_BUFFERS = 1  # for the segment that is being written
STALL_WINDOW_S = 20.0
MIN_STALL_BYTES = 16 * 1024  # less than this in a window is a stall
TICK_S = 0.5
TS_PACKET_BYTES = 188
GONE = frozenset({401, 403, 404, 410})
REFUSED = frozenset({401, 403})
RENEWALS_A_SEGMENT = 3  # tokens may run out again before a segment gets its turn
RENEWALS_IN_VAIN = 5  # from then on refusals are believed while other segments are served
SERVICE = "The video server"
SEGMENT_RETRY = RetryPolicy(attempts=5, base_s=0.5, cap_s=15)


@dataclass(frozen=True, kw_only=True)
class FetchSettings:
    """at_once: segments on their way together.  connect_s, read_s: to connect, and between two bytes.  call_for: what
    each try to fetch from an address goes through, such as a circuit breaker.

    Sized for a CDN that gives 18 MB/s to one connection and about 50 to several.
    """

    at_once: int = 6
    connect_s: float = 10.0
    read_s: float = 20.0
    stall_s: float = STALL_WINDOW_S
    retry: RetryPolicy = SEGMENT_RETRY
    call_for: CallFor = lambda _address: unguarded


class Fetched(NamedTuple):
    """`data` is only valid until the next segment is asked for."""

    segment: Segment
    kind: Kind
    data: memoryview
    init: bytes


class Buffer:
    """Reusable memory for one body."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.size = 0

    def begin(self, expected: int | None) -> None:
        self.size = 0
        if expected is not None and expected > len(self.data):
            # With room to spare: segments differ by little, and memory that is given back often is never got back.
            self.data = bytearray()
            self.data = bytearray(-(-expected // GRANULE_BYTES) * GRANULE_BYTES)

    def add(self, chunk: bytes) -> None:
        end = self.size + len(chunk)
        if end > MAX_SEGMENT_BYTES:
            raise VideoSizeExceeded("A segment of the video is far too large.")
        if end > len(self.data):
            self.data.extend(bytes(max(end, 2 * len(self.data)) - len(self.data)))
        self.data[self.size : end] = chunk
        self.size = end

    def cut(self, offset: int, length: int) -> None:
        """Keep a range: for servers that ignore what range was asked for."""
        kept = bytes(self.view()[offset : offset + length])
        self.begin(None)
        self.add(kept)

    def view(self) -> memoryview:
        return memoryview(self.data)[: self.size]


class Addresses:
    """Where segments are now: addresses carry tokens that run out, `renew` fetches a playlist with fresh ones."""

    def __init__(self, segments: Sequence[Segment], renew: Callable[[], Sequence[Segment]] | None) -> None:
        self._segments = segments
        self._renew = renew
        self._lock = threading.Lock()
        self._generation = 0
        self._answered_at = 0.0  # the latest start of a request that was answered well
        self._in_vain = 0

    def of(self, number: int) -> tuple[int, Segment]:
        """The generation of addresses, and the segment with its present one."""
        with self._lock:
            return self._generation, self._segments[number]

    def answered(self, started_at: float) -> None:
        with self._lock:
            self._answered_at = max(self._answered_at, started_at)

    def fresher(self, *, than: int, refused_at: float) -> bool:
        """Whether there are newer addresses than those of generation `than`, at which a segment was refused."""
        with self._lock:
            if self._generation > than:
                return True
            served_since = self._answered_at > refused_at
            if self._renew is None or (served_since and self._in_vain >= RENEWALS_IN_VAIN):
                return False
            fresh = self._renew()
            moved = fresh[0].media.url != self._segments[0].media.url
            if moved:
                self._generation += 1
                self._segments = fresh
            else:
                self._renew = None  # addresses without tokens never run out
            return moved

    def renewed_in_vain(self) -> None:
        """A segment was refused at fresh addresses too: it is gone, the token was good."""
        with self._lock:
            self._in_vain += 1


class SegmentFetcher:
    """Fetches single segments; used by several threads at once."""

    def __init__(
        self,
        session: Session,
        addresses: Addresses,
        *,
        settings: FetchSettings,
        replacement: Callable[[str], str | None] = lambda _url: None,
    ) -> None:
        self.bytes_read = 0
        self._session = session
        self._addresses = addresses
        self._settings = settings
        self._replacement = replacement
        self._stop = threading.Event()
        self._inits: dict[Resource, bytes] = {}
        self._init_lock = threading.Lock()

    def stop(self) -> None:
        """Make every running fetch end soon."""
        self._stop.set()

    def fetch(self, number: int, buffer: Buffer) -> Fetched:
        """The segment, its muted replacement, or the news that there is neither.

        Raises the network errors and CircuitOpen.
        """
        kind = call_with_retry(
            lambda: self._fetch_once(number, buffer), policy=self._settings.retry, retry_on=RETRIED, sleep=self._sleep
        )
        _, segment = self._addresses.of(number)
        if kind == "missing":
            return Fetched(segment, kind, memoryview(b""), b"")
        return Fetched(segment, kind, buffer.view(), self._init(segment.init))

    def _fetch_once(self, number: int, buffer: Buffer) -> Kind:
        for renewals in range(RENEWALS_A_SEGMENT + 1):
            generation, segment = self._addresses.of(number)
            started_at = time.monotonic()
            status = self._read(segment.media, buffer)
            if status not in GONE:
                self._addresses.answered(started_at)
                return "ok"
            muted = self._replacement(segment.media.url)
            if muted is not None and self._read(Resource(muted), buffer) not in GONE:
                self._addresses.answered(started_at)
                return "muted"
            last = renewals == RENEWALS_A_SEGMENT or status not in REFUSED
            if last or not self._addresses.fresher(than=generation, refused_at=time.monotonic()):
                break
        if renewals:
            self._addresses.renewed_in_vain()
        return "missing"

    def _init(self, resource: Resource | None) -> bytes:
        if resource is None:
            return b""
        with self._init_lock:
            if resource not in self._inits:
                buffer = Buffer()
                status = call_with_retry(
                    lambda: self._read(resource, buffer),
                    policy=self._settings.retry,
                    retry_on=RETRIED,
                    sleep=self._sleep,
                )
                if status in GONE:
                    raise UnsupportedFormat("The recording's initialisation segment is gone.")
                self._inits[resource] = bytes(buffer.view())
            return self._inits[resource]

    def _read(self, resource: Resource, buffer: Buffer) -> int:
        """Fill `buffer` and return the status. Raises unless the body is whole or the status is one of GONE."""
        return self._settings.call_for(resource.url)(lambda: self._read_once(resource, buffer))

    def _read_once(self, resource: Resource, buffer: Buffer) -> int:
        end = "" if resource.length is None else resource.offset + resource.length - 1
        with self._request(resource.url, f"bytes={resource.offset}-{end}" if end else None) as response:
            status = response.status_code
            if status in GONE:
                return status
            check_status(response, SERVICE)
            if status not in ((200, 206) if end else (200,)) or "Content-Encoding" in response.headers:
                raise ConnectionFailed(f"{SERVICE} gave an answer that can't be used.")
            whole = self._read_body(response, buffer, resource.offset + (resource.length or 0) if end else None)
        if resource.length is not None and status == 200:
            buffer.cut(resource.offset, resource.length)
        if not whole or not _fits(resource, buffer):
            self._read_rest(resource, buffer, end)
        return status

    def _request(self, url: str, byte_range: str | None) -> requests.Response:
        headers = {"Accept-Encoding": "identity"} | ({"Range": byte_range} if byte_range else {})
        timeout = (self._settings.connect_s, self._settings.read_s)
        return send(self._session, "GET", url, headers=headers, timeout=timeout, stream=True)

    def _read_rest(self, resource: Resource, buffer: Buffer, end: int | str) -> None:
        """Ask for what lies behind a body that ended early, or whose Content-Length was too small."""
        with self._request(resource.url, f"bytes={resource.offset + buffer.size}-{end}") as response:
            if response.status_code == 206:
                whole = self._read_body(response, buffer, None, go_on=True)
            else:
                whole = response.status_code == 416  # there is nothing behind it: the Content-Length was too large
        if not whole or not _fits(resource, buffer):
            raise ConnectionFailed("The video server cut a segment short.")

    def _read_body(
        self, response: requests.Response, buffer: Buffer, enough: int | None, *, go_on: bool = False
    ) -> bool:
        """Read up to `enough` bytes of the body; whether it was as long as its Content-Length."""
        told = response.headers.get("Content-Length", "")
        expected = int(told) if told.isascii() and told.isdigit() and len(told) < 12 else None
        if (expected or 0) > MAX_SEGMENT_BYTES:
            raise VideoSizeExceeded("A segment of the video is far too large.")
        if not go_on:
            buffer.begin(expected)
        wanted = [size for size in (enough, None if expected is None else buffer.size + expected) if size is not None]
        end = min(wanted, default=MAX_SEGMENT_BYTES + 1)
        stall = StallWatch(self._settings.stall_s)
        with converted_errors():
            while buffer.size < end:
                try:
                    chunk = response.raw.read1(READ_BYTES, decode_content=False)
                except ProtocolError:
                    if not buffer.size:
                        raise
                    return False
                if not chunk:
                    break
                buffer.add(chunk)
                self.bytes_read += len(chunk)
                stall.saw(len(chunk))
                if self._stop.is_set():
                    raise Cancelled
        return not wanted or buffer.size >= end

    def _sleep(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Cancelled


class StallWatch:
    """Raises NetworkTimeout when hardly anything arrives, which a timeout between two bytes can't see."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._begun = time.monotonic()
        self._seen = 0

    def saw(self, count: int) -> None:
        self._seen += count
        now = time.monotonic()
        if now - self._begun >= self._window_s:
            if self._seen < MIN_STALL_BYTES:
                raise NetworkTimeout("The video server stalled.")
            self._begun, self._seen = now, 0


def _fits(resource: Resource, buffer: Buffer) -> bool:
    """What HTTP says is whole may not be: a Content-Length can be too small."""
    return looks_whole(buffer.view()) if resource.length is None else buffer.size == resource.length


def looks_whole(data: memoryview) -> bool:
    """Whether a segment ends where its format says: whole TS packets, or whole MP4 boxes. Other formats pass, but no
    page that tells of an error."""
    if not len(data) or data[0] in b"<{[":
        return False
    if data[0] == 0x47:
        return len(data) % TS_PACKET_BYTES == 0 and data[len(data) - TS_PACKET_BYTES] == 0x47
    if bytes(data[4:8]) in (b"styp", b"moof", b"ftyp", b"sidx", b"emsg", b"prft"):
        return _boxes_end(data) == len(data)
    return True


def _boxes_end(data: memoryview) -> int:
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1 and at + 16 <= len(data):
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size < 8:
            return len(data) if size == 0 else -1
        at += size
    return at


def _may_begin(running: int, at_once: int, usual_bytes: int) -> bool:
    """Whether one more segment may be on its way: always one, then as many as were asked for and as memory allows."""
    return running == 0 or (running < at_once and (running + 1) * usual_bytes <= BUFFERED_BYTES)


def fetch_in_order(
    numbers: Sequence[int], fetcher: SegmentFetcher, *, at_once: int, tick: Callable[[], None]
) -> Iterator[Fetched]:
    """Every segment of `numbers`, in that order; `tick` is called at least every TICK_S and may raise.

    At most `at_once` are on their way, and BUFFERED_BYTES (but always one segment) are held.
    """
    pool = ThreadPoolExecutor(at_once, thread_name_prefix="segment")
    running: deque[tuple[Future[Fetched], Buffer]] = deque()
    free = [Buffer() for _ in range(at_once + SPARE_BUFFERS)]
    left = deque(numbers)
    seen = 0
    try:
        while left or running:
            while left and free and _may_begin(len(running), at_once, seen or USUAL_SEGMENT_BYTES):
                buffer = free.pop()
                running.append((pool.submit(fetcher.fetch, left.popleft(), buffer), buffer))
            future, buffer = running.popleft()
            while not wait((future,), timeout=TICK_S).done:
                tick()
            fetched = future.result()
            seen = max(seen, len(fetched.data))
            yield fetched
            fetched.data.release()
            free.append(buffer)
            tick()
    finally:
        fetcher.stop()
        pool.shutdown(wait=False, cancel_futures=True)
