"""A proxy in front of an HTTP server, with the faults of a real network and a busy service."""

import http.client
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

PIECE = 64 * 1024


class FlakyProxy(ThreadingHTTPServer):
    """Counts what came, and passes it on unless told otherwise.

    down: hang up on whoever comes.  fail: whether to answer a request (method, path, its number) with `refusal`, a
    status and headers by the number.  delay_s: of each request.  gate: closed (`clear()`), requests wait before it.
    spoil: the body to send in place of the right one (method, path, body).  cut_after: break the connection after so
    many bytes of a body, for the next `cuts` requests with a longer one.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream).netloc
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.gate = threading.Event()
        self.hung_up = 0
        self.calm()
        self.cut_after = 0
        self.cuts = 0
        self.requests: list[str] = []
        self.failed = 0
        self.received_bytes = 0
        self.lock = threading.Lock()

    def calm(self) -> None:
        """From now on nothing goes wrong; the counts stay."""
        self.down = False
        self.fail: Callable[[str, str, int], bool] = lambda _method, _path, _number: False
        self.refusal: Callable[[int], tuple[int, dict[str, str]]] = lambda _number: (503, {})
        self.delay_s = 0.0
        self.spoil: Callable[[str, str, bytes], bytes] = lambda _method, _path, body: body
        self.gate.set()

    def verify_request(self, request: object, client_address: object) -> bool:
        """Whether to talk to who has just connected."""
        self.hung_up += self.down
        return not self.down


class _Handler(BaseHTTPRequestHandler):
    server: FlakyProxy
    protocol_version = "HTTP/1.1"

    def _pass_on(self) -> None:
        proxy = self.server
        if proxy.down:  # on a connection from before
            proxy.hung_up += 1
            self.close_connection = True
            return
        with proxy.lock:
            proxy.requests.append(f"{self.command} {self.path}")
            number = len(proxy.requests)
            fails = proxy.fail(self.command, self.path, number)
            proxy.failed += fails
        body = self._body()
        if body is None:
            self.close_connection = True
            return
        if fails:
            self._answer(*proxy.refusal(number), b"")
            return
        proxy.gate.wait()
        time.sleep(proxy.delay_s)
        self._fetch(body)

    def _fetch(self, body: bytes) -> None:
        proxy = self.server
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        with closing(http.client.HTTPConnection(proxy.upstream, timeout=30)) as upstream:
            try:
                upstream.request(self.command, self.path, body=body, headers=headers | {"Host": proxy.upstream})
                response = upstream.getresponse()
                content = response.read()
            except (http.client.HTTPException, OSError):
                self.close_connection = True  # as the server did
                return
        self._answer(response.status, dict(response.getheaders()), proxy.spoil(self.command, self.path, content))

    def _body(self) -> bytes | None:
        """The request's body; None when the connection is to be broken instead."""
        proxy = self.server
        length = int(self.headers.get("Content-Length") or 0)
        with proxy.lock:
            cut = proxy.cuts > 0 and length > proxy.cut_after
            proxy.cuts -= cut
        pieces = []
        left = proxy.cut_after if cut else length
        while left:
            piece = self.rfile.read(min(PIECE, left))
            pieces.append(piece)
            left -= len(piece)
        with proxy.lock:
            proxy.received_bytes += sum(map(len, pieces))
        return None if cut else b"".join(pieces)

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() == "location":
                # The session of a resumable upload goes on through here.
                value = re.sub(r"^https?://[^/]+", self.server.url, value)
            if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        self._pass_on()

    def do_POST(self) -> None:
        self._pass_on()

    def do_PUT(self) -> None:
        self._pass_on()

    def do_DELETE(self) -> None:
        self._pass_on()

    def log_message(self, format: str, *args: object) -> None:
        """Keeps quiet."""


@contextmanager
def running_proxy(upstream: str) -> Iterator[FlakyProxy]:
    with FlakyProxy(upstream) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)
