"""A job's progress as server-sent events."""

import json
import re
import socket
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from flask import Response, request
from flask_sse import Message

from shared.errors import DatabaseError
from shared.jobs import Job, utc_now
from shared.log import logger
from shared.redis.store import Event, JobStore
from shared.representations import event_of
from shared.stages import TERMINAL
from web.auth import own_job
from web.blueprints import blueprint
from web.dependencies import dependencies
from web.headers import client_socket
from web.hub import Hub, Overflow, Subscription

COMMENT_EVERY_S = 15.0  # proxies cut streams that are idle for 30-60 s
RETRY_MS = 3000
SEND_WITHIN_S = 10.0  # a client that takes nothing for this long is dropped
SEND_BUFFER_BYTES = 64 * 1024
NOT_FASTER_THAN_S = 0.2
TERMINAL_EVENTS = frozenset(status.value for status in TERMINAL)
NO_EVENT = "0-0"
blp = blueprint("stream", "A job's progress, live.")
log = logger("klipstream.stream")


@blp.route("/api/v1/analysis/<job_id>/stream")
@blp.response(
    200,
    {"type": "string"},
    content_type="text/event-stream",
    description="Server-sent events; the data of each is an Event.",
)
@blp.doc(
    parameters=[
        {
            "in": place,
            "name": name,
            "schema": {"type": "string"},
            "description": "The id of the last event seen: what came after it is sent again.",
        }
        for place, name in (("header", "Last-Event-ID"), ("query", "last_event_id"))
    ]
)
def stream(job_id: str) -> Response:
    """A job's progress as server-sent events.

    connected, progress, then completed, failed or cancelled, then stream_ended.
    """
    job = own_job(job_id)
    last_seen = request.headers.get("Last-Event-ID") or request.args.get("last_event_id")
    response = Response(
        content_type="text/event-stream; charset=utf-8",
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )
    if request.method == "GET":
        client = Client(dependencies().hub, dependencies().store, job, client_socket())
        # What may fail is done before the first byte: a problem can still be the answer.
        history = client.open(last_seen)
        response.response = client.events(history)
        response.call_on_close(client.close)
    return response


def order(event_id: str) -> tuple[int, int]:
    """Stream ids are two numbers; as text, 9-0 would come after 10-0."""
    if not re.fullmatch(r"[0-9]{1,20}-[0-9]{1,20}", event_id):
        return (0, 0)
    time_ms, _, number = event_id.partition("-")
    return (int(time_ms), int(number))


class Client:
    """One connection: `open`, then `events`, then `close`."""

    def __init__(self, hub: Hub, store: JobStore, job: Job, connection: socket.socket | None) -> None:
        self._hub, self._store, self._job = hub, store, job
        self._socket = connection
        self._subscription: Subscription | None = None
        self._connection_id = uuid4().hex
        self._count = 0
        self._sent = NO_EVENT  # id of the last event that was sent
        self._sent_status = ""
        self._sent_at = 0.0
        self._replays = False

    def open(self, last_seen: str | None) -> list[Event]:
        """Subscribe, then read what happened before: `connected` and what follows it. Raises DatabaseError."""
        subscription = self._hub.subscribe(self._job.job_id)
        try:
            present = self._present()
            missed = self._missed(last_seen)
        except DatabaseError:
            self._hub.leave(subscription)
            raise
        self._subscription = subscription
        self._replays = missed is not None
        begin = last_seen if last_seen and missed is not None else present.id
        return [Event(begin, "connected", present.data), *(missed or [present])]

    def close(self) -> None:
        if self._subscription is not None:
            self._hub.leave(self._subscription)

    def events(self, history: list[Event]) -> Iterator[str]:
        """The text of the stream, to its end."""
        if self._subscription is None:
            return
        self._prepare_socket()
        try:
            yield self._introduced("connected", history[0], retry=RETRY_MS)
            if history[1].type in TERMINAL_EVENTS and not self._replays:
                yield self._introduced("progress", history[1])
            for event in history[1:]:
                yield from self._send(event)
            yield from self._live(self._subscription)
        except Overflow:
            log.info("stream_dropped", job_id=self._job.job_id, reason="the client reads too slowly")
        except DatabaseError as error:
            # Too late for another status: the client comes back by itself and finds one.
            log.warning("stream_cut", job_id=self._job.job_id, reason=str(error.__cause__))

    def _prepare_socket(self) -> None:
        if self._socket is not None:
            self._socket.settimeout(SEND_WITHIN_S)
            # What the kernel takes for a client that stopped reading counts as sent: keep that small.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    # --- what happened before -------------------------------------------------------------------------------------

    def _present(self) -> Event:
        """The job's state now, under the id of its latest event."""
        event = self._store.last_event(self._job.job_id)
        if event is not None:
            return event
        data = event_of(self._job)
        return Event(NO_EVENT, data["event"], data)

    def _missed(self, last_seen: str | None) -> list[Event] | None:
        """What happened after an event; None when that event is unknown.

        A failure that a retry made void is left out.
        """
        if not last_seen or order(last_seen) == (0, 0):
            return None
        events = self._store.events_after(self._job.job_id, last_seen)
        if events is None:
            return None
        return [event for event in events[:-1] if event.type not in TERMINAL_EVENTS] + events[-1:]

    # --- what happens now -----------------------------------------------------------------------------------------

    def _live(self, subscription: Subscription) -> Iterator[str]:
        held: Event | None = None  # progress that came too soon after the one before
        comment_at = time.monotonic() + COMMENT_EVERY_S
        while not self._has_ended():
            due_at = self._sent_at + NOT_FASTER_THAN_S if held else comment_at
            item = subscription.get(due_at - time.monotonic())
            if item == "missed":
                with self._hub.readers:
                    events = self._missed(self._sent) or [self._present()]
                for event in events:
                    yield from self._send(event)
            elif isinstance(item, Event) and self._may_wait(item):
                held = item
                continue
            elif isinstance(item, Event):
                yield from self._send(item)
            elif held is not None:
                yield from self._send(held)
            elif self._is_gone():
                return
            else:
                yield ": still here\n\n"
            held = None
            comment_at = time.monotonic() + COMMENT_EVERY_S

    def _has_ended(self) -> bool:
        return self._sent_status in TERMINAL_EVENTS

    def _may_wait(self, event: Event) -> bool:
        """More of the same within 200 ms: only the latest is sent. A change of status never waits."""
        too_soon = time.monotonic() - self._sent_at < NOT_FASTER_THAN_S
        return too_soon and event.type == "progress" and event.data.get("status") == self._sent_status

    def _is_gone(self) -> bool:
        """Whether the client has closed its side: writing would tell only at the second attempt."""
        if self._socket is None:
            return False
        self._socket.setblocking(False)
        try:
            return self._socket.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True
        finally:
            self._socket.settimeout(SEND_WITHIN_S)

    # --- the wire -------------------------------------------------------------------------------------------------

    def _introduced(self, kind: str, event: Event, *, retry: int | None = None) -> str:
        """The state that an event tells, as one that comes before it; outcomes are left to the event itself."""
        data = {**event.data, "event": kind, "timestamp": utc_now()}
        data.pop("results", None)
        data.pop("error", None)
        return self._text(kind, event.id, data, retry=retry)

    def _send(self, event: Event) -> Iterator[str]:
        """The event, unless it was sent before; after a terminal one also the stream's end."""
        if self._has_ended() or (self._sent != NO_EVENT and order(event.id) <= order(self._sent)):
            return
        self._sent, self._sent_status, self._sent_at = event.id, str(event.data.get("status")), time.monotonic()
        yield self._text(event.type, event.id, event.data)
        if self._has_ended():
            ended = {**event.data, "event": "stream_ended", "timestamp": utc_now()}
            yield self._text("stream_ended", event.id, ended)

    def _text(self, kind: str, event_id: str, data: dict[str, Any], *, retry: int | None = None) -> str:
        numbered = {**data, "connection_id": self._connection_id, "update_count": self._count}
        self._count += 1
        # As ASCII it has no line separators that would cut the event in two.
        return str(Message(json.dumps(numbered), type=kind, id=event_id, retry=retry))
