"""A server whose answers never end: they come a byte now and then, stop after the headers, or pour."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

DRIP_EVERY_S = 0.1
POUR = bytes(64 * 1024)
HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"
SLOW_HEADERS = b"HTTP/1.1 200 OK\r\nX-Slow: "


class SlowServer:
    """Answers every request with `beginning`, then goes on until the client is gone.

    goes_on: "drip" a byte every DRIP_EVERY_S, "hang" without a byte, "pour" as many as the client takes.
    """

    def __init__(self, listener: socket.socket, beginning: bytes, goes_on: str, tls: ssl.SSLContext | None) -> None:
        self._listener, self._beginning, self._goes_on, self._tls = listener, beginning, goes_on, tls
        self.address = f"127.0.0.1:{listener.getsockname()[1]}"
        self.url = f"http://{self.address}"
        self.requests = 0
        self.client_left = threading.Event()
        self.closing = threading.Event()

    def serve(self) -> None:
        """Take connections until the listener is shut down."""
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                connection.recv(64 * 1024)
                self.requests += 1
                self._answer(connection)
        self.client_left.set()

    def _answer(self, connection: socket.socket) -> None:
        connection.sendall(self._beginning)
        if self._goes_on == "hang":
            while connection.recv(1024):
                pass
        pause_s = DRIP_EVERY_S if self._goes_on == "drip" else 0
        while not self.closing.wait(pause_s):
            connection.sendall(b"a" if self._goes_on == "drip" else POUR)


@contextmanager
def slow_server(beginning: bytes, goes_on: str, *, tls: ssl.SSLContext | None = None) -> Iterator[SlowServer]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = SlowServer(listener, beginning, goes_on, tls)
        thread = threading.Thread(target=server.serve, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)
