"""A receiver of webhooks: keeps what it was sent and answers as told."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from standardwebhooks import Webhook


class Received(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes


class Receiver(ThreadingHTTPServer):
    """answers: what the next requests get: a status, (status, headers), or "drip" (a byte now and then, for ever).

    usual: what they get when no answer is left; "hang" is none at all.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.address = f"127.0.0.1:{self.server_port}"
        self.received: list[Received] = []
        self.answers: list[int | tuple[int, dict[str, str]] | str] = []
        self.usual: int | str = 204
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self.hung_up = threading.Event()

    def url(self, path: str = "/hook") -> str:
        return f"http://{self.address}{path}"

    def verified(self, secret: str) -> list[dict[str, Any]]:
        """The bodies, each checked with the package of the scheme. Raises WebhookVerificationError."""
        signer = Webhook(secret)
        return [signer.verify(request.body, request.headers) for request in self.received]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.received.append(Received(self.path, headers, body))
        answer = self.server.answers.pop(0) if self.server.answers else self.server.usual
        if answer in ("drip", "hang"):
            with self._counted():
                self._drip() if answer == "drip" else self.connection.recv(1)
            self.close_connection = True
            return
        status, more = answer if isinstance(answer, tuple) else (int(answer), {})
        text = json.dumps({"status": status}).encode()
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(0 if status == 204 else len(text)))
        self.end_headers()
        if status != 204:
            self.wfile.write(text)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        server = self.server
        with server.lock:
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
        try:
            yield
        finally:
            with server.lock:
                server.at_once -= 1

    def _drip(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        try:
            while True:
                self.wfile.write(b"a")
                time.sleep(0.05)
        except OSError:
            self.server.hung_up.set()

    def log_message(self, format: str, *args: object) -> None:
        """Keeps quiet."""


@contextmanager
def running_receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)
