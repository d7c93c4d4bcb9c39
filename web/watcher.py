"""One client of a stream: what it was told, what it still has to be told, and its connection.

Nothing here waits. What the connection does not take is kept, a little of it and for a short time, so a client that
stopped reading costs little and then leaves. No greenlet belongs to a client: thousands cost what is written here.
"""

import socket
import time
from collections.abc import Iterable
from typing import NamedTuple
from uuid import uuid4

from shared.log import logger
from web.event_text import COMMENT, ENDED, NO_EVENT, EncodedEvent
from web.process_metrics import STREAMS_DROPPED

COMMENT_EVERY_S = 15.0  # proxies cut streams that are idle for 30-60 s
NOT_FASTER_THAN_S = 0.2
SEND_WITHIN_S = 10.0  # a client that takes nothing for this long is dropped
SEND_AGAIN_AFTER_S = 0.1
SEND_BUFFER_BYTES = 64 * 1024
MAX_PENDING = 256  # changes of status a client may be behind before it is dropped
# What a client's machine did not confirm for this long: it is gone, whatever TCP still hopes.
UNCONFIRMED_MS = 20_000
LAST_CHUNK = b"0\r\n\r\n"
log = logger("klipstream.stream")


class Caller(NamedTuple):
    """Who watches, for the log."""

    path: str
    address: str
    request_id: str


class Watcher:
    """Made when a client asks, started when its connection is there. All calls happen under the hub's lock."""

    __slots__ = (
        "_connection",
        "_connection_id",
        "_count",
        "_is_framed",
        "_is_paused",
        "_pending",
        "_sent_at",
        "_status",
        "_stuck_since",
        "_unsent",
        "began",
        "caller",
        "generation",
        "has_alarm",
        "has_ended",
        "is_closed",
        "job_id",
        "seen",
        "seen_at",
        "sent_bytes",
    )

    def __init__(self, job_id: str, caller: Caller) -> None:
        self.job_id = job_id
        self.caller = caller
        self.generation = 0  # of the subscription that this client's history belongs to
        self.has_alarm = False
        self.has_ended = False
        self.is_closed = False
        self.began = time.monotonic()
        self.sent_bytes = 0
        self.seen, self.seen_at = NO_EVENT, (0, 0)  # id of the last event that was sent
        self._connection: socket.socket | None = None
        self._connection_id = uuid4().hex.encode()
        self._count = 0
        self._is_framed = False
        self._is_paused = True
        self._pending: list[EncodedEvent] = []
        self._unsent = b""
        self._stuck_since = 0.0
        self._status = ""
        self._sent_at = 0.0

    @property
    def is_started(self) -> bool:
        return self._connection is not None

    @property
    def is_paused(self) -> bool:
        return self._is_paused

    def start(
        self, connection: socket.socket, head: bytes, events: Iterable[EncodedEvent], *, is_framed: bool, now: float
    ) -> None:
        """Send the beginning. The client stays paused: what happens meanwhile is kept for `resume`.

        is_framed: as chunks of HTTP/1.1, whose end a proxy can tell from a broken connection.
        """
        self._connection, self._is_framed = connection, is_framed
        _prepare(connection)
        self._send(head + self._chunk(events, now), now)

    def pause(self) -> None:
        """Keep what comes: something before it is missing."""
        self._is_paused = True

    def resume(self, missed: Iterable[EncodedEvent], now: float) -> None:
        """Go on, after what was missed."""
        self._is_paused = False
        news = [event for event in missed if event.at > self.seen_at]
        if news and not self.is_closed:
            self._send(self._chunk(news, now), now)
        self.flush(now)

    def deliver(self, event: EncodedEvent, now: float) -> None:
        """Send the event, or keep it while the client can't take it or had one of the same status just before."""
        if self.is_closed or self.has_ended or event.at <= self.seen_at:
            return
        if self._is_paused or self._pending or self._unsent or self._is_too_soon(event, now):
            self._keep(event)
        else:
            self._send(self._chunk((event,), now), now)

    def flush(self, now: float) -> None:
        """Send of what is kept as much as may be sent now."""
        if self._unsent:
            self._send(b"", now)
        while self._pending and not (self._is_paused or self._unsent or self.is_closed):
            event = self._pending[0]
            is_news = event.at > self.seen_at and not self.has_ended
            if is_news and self._is_too_soon(event, now):
                return
            del self._pending[0]
            if is_news:
                self._send(self._chunk((event,), now), now)

    def next_try(self, now: float) -> float | None:
        """When `flush` has to be called, if it has to."""
        if self.is_closed:
            return None
        if self._unsent:
            return now + SEND_AGAIN_AFTER_S
        return self._sent_at + NOT_FASTER_THAN_S if self._pending and not self._is_paused else None

    def comment(self, now: float) -> None:
        """A sign of life, and the moment to see whether the client still is there."""
        if self._has_left():
            self.close()
        elif not self._unsent:
            self._send(self._frame(COMMENT), now)

    def drop(self, reason: str) -> None:
        log.info("stream_dropped", job_id=self.job_id, reason=reason)
        STREAMS_DROPPED.inc()
        self.close()

    def close(self) -> None:
        self.is_closed = True
        self._unsent = b""
        self._pending.clear()
        if self._connection is not None:
            self._connection.close()

    # --- what is kept ---------------------------------------------------------------------------------------------

    def _is_too_soon(self, event: EncodedEvent, now: float) -> bool:
        """More of the same within 200 ms. A change of status never waits."""
        return event.may_wait and event.status == self._status and now < self._sent_at + NOT_FASTER_THAN_S

    def _keep(self, event: EncodedEvent) -> None:
        last = self._pending[-1] if self._pending else None
        if last is not None and last.may_wait and event.may_wait and last.status == event.status:
            self._pending[-1] = event
            return
        self._pending.append(event)
        if len(self._pending) > MAX_PENDING:
            self.drop("the client is too far behind")

    # --- the wire -------------------------------------------------------------------------------------------------

    def _chunk(self, events: Iterable[EncodedEvent], now: float) -> bytes:
        text = b"".join(map(self._text, events))
        self._sent_at = now
        return self._frame(text) + (LAST_CHUNK if self.has_ended and self._is_framed else b"")

    def _text(self, event: EncodedEvent) -> bytes:
        text = event.text(self._connection_id, self._count)
        self._count += 1
        self.seen, self.seen_at, self._status = event.event_id, event.at, event.status
        if event.kind == ENDED:
            self.has_ended = True
        return text + self._text(event.ending) if event.ending is not None else text

    def _frame(self, text: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(text), text) if self._is_framed else text

    def _send(self, data: bytes, now: float) -> None:
        """Hand the connection what it takes. `data` follows what it did not take before."""
        if self._connection is None or self.is_closed:
            return
        was_stuck = bool(self._unsent)
        data = self._unsent + data
        try:
            count = self._connection.send(data)
        except BlockingIOError:
            count = 0
        except OSError:
            self.close()
            return
        self._unsent = data[count:]
        self.sent_bytes += count
        if count or not was_stuck:
            self._stuck_since = now
        elif now - self._stuck_since > SEND_WITHIN_S:
            self.drop("the client reads too slowly")
        if self.has_ended and not self._unsent and not self.is_closed:
            self._finish(self._connection)

    def _finish(self, connection: socket.socket) -> None:
        """Close so that the last bytes arrive: what was never read would make it a reset."""
        try:
            connection.shutdown(socket.SHUT_WR)
            connection.recv(65536)
        except OSError:
            pass  # nothing was to be read, or the client was faster
        self.close()

    def _has_left(self) -> bool:
        """Whether the client has closed its side: writing would tell only at the second attempt."""
        if self._connection is None:
            return False
        try:
            return self._connection.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True


def _prepare(connection: socket.socket) -> None:
    connection.setblocking(False)
    # What the kernel takes for a client that stopped reading counts as sent: keep that small.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    if connection.family != socket.AF_UNIX and hasattr(socket, "TCP_USER_TIMEOUT"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNCONFIRMED_MS)
