"""One segment: fetched into a spool, watched, tried again, gone on with where it broke off."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import requests
from urllib3.exceptions import ProtocolError

from shared.errors import (
    Cancelled,
    ConnectionFailed,
    ExternalServiceError,
    NetworkTimeout,
    RateLimitExceeded,
    UnsupportedFormat,
    VideoSizeExceeded,
)
from shared.net.deadline import AnswerLimits, Session
from shared.net.retry import RetryPolicy, call_with_retry
from shared.redis.breaker import CallFor, unguarded
from workers.download.concurrency import AdaptiveLimit, Bounds
from workers.download.http import RETRIED, check_status, converted_errors, send
from workers.download.ledger import Kind
from workers.download.playlist import Resource, Segment
from workers.download.spool import MAX_BODY_BYTES, Spool
from workers.download.wholeness import looks_whole

READ_BYTES = 64 * 1024
MAX_INIT_BYTES = 8 * 2**20
# In all: 60 MB, the largest segments there are, at 0.1 MB/s.
LIMITS = AnswerLimits(silence_s=20.0, total_s=600.0, window_s=20.0)
GONE = frozenset({401, 403, 404, 410})
REFUSED = frozenset({401, 403})
RENEWALS_A_SEGMENT = 3  # tokens may run out again before a segment gets its turn
RENEWALS_IN_VAIN = 5  # from then on refusals are believed while other segments are served
SERVICE = "The video server"
SEGMENT_RETRY = RetryPolicy(attempts=5, base_s=0.5, cap_s=15)
# What fewer requests at once may help against.
TROUBLE = (RateLimitExceeded, ExternalServiceError, NetworkTimeout)


@dataclass(frozen=True, kw_only=True)
class FetchSettings:
    """at_once: bounds of how many segments are on their way together.  limits: of each answer.  call_for: what each try
    to fetch from an address goes through, such as a circuit breaker.
    """

    at_once: Bounds = field(default_factory=Bounds)
    limits: AnswerLimits = LIMITS
    retry: RetryPolicy = SEGMENT_RETRY
    call_for: CallFor = lambda _address: unguarded


class GaveWay(Cancelled):
    """The segment is put off: fewer at once are better."""


class Fetched(NamedTuple):
    """`body` is only valid until the next segment is asked for."""

    segment: Segment
    kind: Kind
    body: Spool
    init: bytes


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
    """Fetches single segments; used by several threads at once.

    folder: for spools.  limit: told of troubles.
    """

    def __init__(
        self,
        session: Session,
        addresses: Addresses,
        *,
        settings: FetchSettings,
        folder: Path,
        limit: AdaptiveLimit,
        replacement: Callable[[str], str | None] = lambda _url: None,
    ) -> None:
        self.bytes_read = 0
        self.folder = folder
        self.limit = limit
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

    def fetch(self, number: int, spool: Spool) -> Fetched:
        """The segment, its muted replacement, or the news that there is neither.

        Raises the network errors and CircuitOpen.
        """
        kind = call_with_retry(
            lambda: self._fetch_once(number, spool), policy=self._settings.retry, retry_on=RETRIED, sleep=self._sleep
        )
        _, segment = self._addresses.of(number)
        if kind == "missing":
            spool.begin()
            return Fetched(segment, kind, spool, b"")
        return Fetched(segment, kind, spool, self._init(segment.init))

    def _fetch_once(self, number: int, spool: Spool) -> Kind:
        for renewals in range(RENEWALS_A_SEGMENT + 1):
            generation, segment = self._addresses.of(number)
            started_at = time.monotonic()
            status = self._read(segment.media, spool)
            if status not in GONE:
                self._addresses.answered(started_at)
                return "ok"
            muted = self._replacement(segment.media.url)
            if muted is not None and self._read(Resource(muted), spool) not in GONE:
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
                self._inits[resource] = self._fetch_init(resource)
            return self._inits[resource]

    def _fetch_init(self, resource: Resource) -> bytes:
        with closing(Spool(self.folder)) as spool:
            status = call_with_retry(
                lambda: self._read(resource, spool), policy=self._settings.retry, retry_on=RETRIED, sleep=self._sleep
            )
            if status in GONE:
                raise UnsupportedFormat("The recording's initialisation segment is gone.")
            if len(spool) > MAX_INIT_BYTES:
                raise VideoSizeExceeded("The recording's initialisation segment is far too large.")
            return spool.read_at(0, len(spool))

    def _read(self, resource: Resource, spool: Spool) -> int:
        """Fill `spool` and return the status. Raises unless the body is whole or the status is one of GONE."""
        try:
            return self._settings.call_for(resource.url)(lambda: self._read_once(resource, spool))
        except TROUBLE:
            self.limit.trouble()
            raise

    def _read_once(self, resource: Resource, spool: Spool) -> int:
        end = "" if resource.length is None else resource.offset + resource.length - 1
        with self._request(resource.url, f"bytes={resource.offset}-{end}" if end else None) as response:
            status = response.status_code
            if status in GONE:
                return status
            check_status(response, SERVICE)
            if status not in ((200, 206) if end else (200,)) or "Content-Encoding" in response.headers:
                raise ConnectionFailed(f"{SERVICE} gave an answer that can't be used.")
            whole = self._read_body(response, spool, resource.offset + (resource.length or 0) if end else None)
        if resource.length is not None and status == 200:
            spool.cut(resource.offset, resource.length)
        if not whole or not _fits(resource, spool):
            self._read_rest(resource, spool, end)
        return status

    def _request(self, url: str, byte_range: str | None) -> requests.Response:
        headers = {"Accept-Encoding": "identity"} | ({"Range": byte_range} if byte_range else {})
        return send(self._session, "GET", url, headers=headers, limits=self._settings.limits, stream=True)

    def _read_rest(self, resource: Resource, spool: Spool, end: int | str) -> None:
        """Ask for what lies behind a body that ended early, or whose Content-Length was too small."""
        with self._request(resource.url, f"bytes={resource.offset + spool.size}-{end}") as response:
            if response.status_code == 206:
                whole = self._read_body(response, spool, None, go_on=True)
            else:
                whole = response.status_code == 416  # there is nothing behind it: the Content-Length was too large
        if not whole or not _fits(resource, spool):
            raise ConnectionFailed("The video server cut a segment short.")

    def _read_body(self, response: requests.Response, spool: Spool, enough: int | None, *, go_on: bool = False) -> bool:
        """Read up to `enough` bytes of the body; whether it was as long as its Content-Length."""
        declared = response.headers.get("Content-Length", "")
        expected = int(declared) if declared.isascii() and declared.isdigit() and len(declared) < 12 else None
        if (expected or 0) > MAX_BODY_BYTES:
            raise VideoSizeExceeded("A segment of the video is far too large.")
        if not go_on:
            spool.begin()
        wanted = [size for size in (enough, None if expected is None else spool.size + expected) if size is not None]
        end = min(wanted, default=MAX_BODY_BYTES + 1)
        with converted_errors():
            while spool.size < end:
                try:
                    chunk = response.raw.read1(READ_BYTES, decode_content=False)
                except ProtocolError:
                    if not spool.size:
                        raise
                    return False
                if not chunk:
                    break
                spool.add(chunk)
                self.bytes_read += len(chunk)
                if self._stop.is_set():
                    raise Cancelled
                if spool.gives_way:
                    raise GaveWay
        return not wanted or spool.size >= end

    def _sleep(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Cancelled


def _fits(resource: Resource, spool: Spool) -> bool:
    """What HTTP says is whole may not be: a Content-Length can be too small."""
    return looks_whole(spool.read_at, len(spool)) if resource.length is None else len(spool) == resource.length
