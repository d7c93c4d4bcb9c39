"""Thousands of event-stream clients in one process: plain sockets on one epoll, which only look for the time sent."""

import re
import resource
import selectors
import socket
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import NamedTuple

OPENING_AT_ONCE = 50
# A server that says nothing before its first event can't be waited for.
SILENT_S = 0.15
SENT_AT = re.compile(rb'"sent_at": ?([0-9.]+)')


class Received(NamedTuple):
    """open: connections that still stand at the end.  delays_s: publish to receive, one for each event that came."""

    open: int
    delays_s: list[float]


class Clients:
    def __init__(self, port: int, paths: Sequence[str]) -> None:
        self._address, self._paths = ("127.0.0.1", port), paths
        self._selector = selectors.DefaultSelector()
        self._delays_s: list[float] = []
        self._opening: dict[socket.socket, float] = {}
        self._count = 0

    def open(self, *, within_s: float) -> int:
        """Connect them all, a few at a time, or as many as can be in the time; how many are connected then."""
        deadline = time.monotonic() + within_s
        for path in self._paths:
            while len(self._opening) >= OPENING_AT_ONCE and time.monotonic() < deadline:
                self._turn(0.01)
            if time.monotonic() > deadline:
                break
            self._connect(path)
        while self._opening and time.monotonic() < deadline + 1:
            self._turn(0.01)
        return self._count

    def receive(self, seconds: float) -> Received:
        self._delays_s.clear()
        deadline = time.monotonic() + seconds
        while (left_s := deadline - time.monotonic()) > 0:
            self._turn(left_s)
        return Received(self._count, self._delays_s)

    def close(self) -> None:
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr] # only sockets are registered
        self._selector.close()

    def _connect(self, path: str) -> None:
        try:
            client = socket.create_connection(self._address, timeout=5)
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
        except OSError:
            return
        client.setblocking(False)
        self._selector.register(client, selectors.EVENT_READ)
        self._opening[client] = time.monotonic()
        self._count += 1

    def _turn(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            self._read(key.fileobj)  # type: ignore[arg-type] # only sockets are registered
        if self._opening:
            before = time.monotonic() - SILENT_S
            for client in [client for client, began in self._opening.items() if began < before]:
                del self._opening[client]

    def _read(self, client: socket.socket) -> None:
        try:
            data = client.recv(65536)
        except OSError:
            data = b""
        now = time.monotonic()
        self._opening.pop(client, None)
        if not data:
            self._selector.unregister(client)
            client.close()
            self._count -= 1
        self._delays_s += [now - float(sent_at) for sent_at in SENT_AT.findall(data)]


def watch(bench: Connection, port: int, paths: Sequence[str], open_within_s: float) -> None:
    """In a process of its own: opens, says how many; receives for as long as it is told, says what came."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    clients = Clients(port, paths)
    bench.send(clients.open(within_s=open_within_s))
    while (seconds := bench.recv()) is not None:
        bench.send(clients.receive(seconds))
