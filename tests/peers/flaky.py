"""A proxy in front of an HTTP server, with the faults of a real network and a busy service."""

import http.client
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

PIECE = 64 * 1024


class FlakyProxy(ThreadingHTTPServer):
    """fail: whether to answer a request (method, path, its number) with 503. cut_after: break the connection after so
    many bytes of a body, for the next `cuts` requests with a longer one. Counts what passed."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream).netloc
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.fail: Callable[[str, str, int], bool] = lambda _method, _path, _number: False
        self.cut_after = 0
        self.cuts = 0
        self.requests: list[str] = []
        self.failed = 0
        self.received_bytes = 0
        self.lock = threading.Lock()


class _Handler(BaseHTTPRequestHandler):
    server: FlakyProxy
    protocol_version = "HTTP/1.1"

    def _pass_on(self) -> None:
        proxy = self.server
        with proxy.lock:
            proxy.requests.append(f"{self.command} {self.path}")
            fails = proxy.fail(self.command, self.path, len(proxy.requests))
            proxy.failed += fails
        body = self._body()
        if body is None:
            self.close_connection = True
            return
        if fails:
            self._answer(503, {}, b"")
            return
        upstream = http.client.HTTPConnection(proxy.upstream, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        upstream.request(self.command, self.path, body=body, headers=headers | {"Host": proxy.upstream})
        response = upstream.getresponse()
        content = response.read()
        upstream.close()
        self._answer(response.status, dict(response.getheaders()), content)

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
            if name.lower() not in {"content-length", "transfer-encoding", "connection", "content-encoding"}:
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
