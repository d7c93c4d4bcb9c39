"""A job's progress as server-sent events."""

import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from email.utils import formatdate
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Response, g, request

from shared.errors import ServiceUnavailable
from web.auth import own_job
from web.blueprints import blueprint
from web.calls import operation, shown
from web.dependencies import dependencies
from web.event_history import opening
from web.event_text import EncodedEvent
from web.hub import Hub
from web.watcher import Caller, Watcher
from web.worker import HandedOver, plain_socket, take_over

blp = blueprint("stream", "A job's progress, live.")
EVENT_STREAM = "text/event-stream; charset=utf-8"


@blp.route("/api/v1/analysis/<job_id>/stream")
@blp.response(
    200,
    {
        "description": "The stream as text; for what takes it apart, each of its events.",
        "anyOf": [{"type": "string"}, {"$ref": "#/components/schemas/StreamEvent"}],
    },
    content_type="text/event-stream",
    description="Events until the job has ended, or the client leaves.",
    examples=shown("stream", "of_a_job_at_work"),
)
@operation("streamAnalysis", ServiceUnavailable)
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

    connected, progress, then completed, failed or cancelled, then stream_ended. EventSource sends no headers: where the
    server has keys, `?access_token=TOKEN` stands for one (`makeToken`).
    """
    job = own_job(job_id)
    last_seen = request.headers.get("Last-Event-ID") or request.args.get("last_event_id")
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    if request.method != "GET":
        return Response(content_type=EVENT_STREAM, headers=headers)
    own = dependencies()
    watcher = own.hub.join(job_id, Caller(request.path, request.remote_addr or "", g.request_id))
    try:
        # What may fail is done before the first byte: a problem can still be the answer.
        events = opening(own.store, job, last_seen)
    except BaseException:
        own.hub.leave(watcher)
        raise
    return StreamResponse(own.hub, watcher, events, headers=headers)


class StreamResponse(Response):
    """Gives the connection to the hub and is done: no greenlet, no request stays for as long as the stream."""

    def __init__(self, hub: Hub, watcher: Watcher, events: Sequence[EncodedEvent], *, headers: dict[str, str]) -> None:
        super().__init__(content_type=EVENT_STREAM, headers=headers)
        self._hub, self._watcher, self._events = hub, watcher, events

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            connection = take_over(environ)
        except OSError:
            self._hub.leave(self._watcher)
            raise
        if connection is None:
            return self._relayed(environ, start_response)
        is_framed = environ["SERVER_PROTOCOL"] == "HTTP/1.1"
        self._hub.start(self._watcher, connection, self._head(is_framed), self._events, framed=is_framed)
        return HandedOver()

    def _head(self, is_framed: bool) -> bytes:
        lines = [
            f"HTTP/1.1 {self.status}",
            f"Date: {formatdate(time.time(), usegmt=True)}",
            "Connection: close",
            *(["Transfer-Encoding: chunked"] if is_framed else []),
            *(f"{name}: {value}" for name, value in self.headers.items()),
        ]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def _relayed(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Through a pair of sockets, for a server that does not give its connections away."""
        ours, theirs = socket.socketpair()
        self._hub.start(self._watcher, plain_socket(ours.detach()), b"", self._events, framed=False)
        self.response = _received(theirs)
        return super().__call__(environ, start_response)


def _received(connection: socket.socket) -> Iterator[bytes]:
    with connection:
        while data := connection.recv(65536):
            yield data
