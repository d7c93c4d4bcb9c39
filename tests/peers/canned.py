"""A server that gives the same bytes to whoever asks, whatever they ask, and hangs up or keeps silent after them."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def canned(answer: bytes = b"", *, hangs_up: bool = False) -> Iterator[str]:
    """Its address. answer: b"" for a server that takes connections and never answers."""
    connections: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_serve, args=(server, answer, hangs_up, connections), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for connection in connections:
                connection.close()


def _serve(server: socket.socket, answer: bytes, hangs_up: bool, connections: list[socket.socket]) -> None:
    with suppress(OSError):  # the end: the listening socket was shut down
        while True:
            connection, _ = server.accept()
            connections.append(connection)
            with suppress(ConnectionError):
                connection.recv(64 * 1024)
                connection.sendall(answer)
                if hangs_up:
                    connection.shutdown(socket.SHUT_WR)


def http_answer(status: int, body: bytes = b"", *, length: int | None = None, **headers: str) -> bytes:
    """An HTTP answer. length: what it says about its body, if not the truth."""
    told = {"Content-Length": str(len(body) if length is None else length), "Connection": "close"}
    told |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} Canned", *(f"{name}: {value}" for name, value in told.items()), "", ""]
    return "\r\n".join(lines).encode() + body
