"""HTTP requests as fast as a number of kept connections gives answers, from one epoll in a process of its own."""

import math
import multiprocessing
import selectors
import socket
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import NamedTuple

RequestOf = Callable[[int], bytes]  # by its number, which is not given twice


class Load(NamedTuple):
    """statuses: how many answers had each."""

    rate: float
    p50_ms: float
    p99_ms: float
    statuses: dict[int, int]


class _Client:
    """One connection: a request, its whole answer, the next request."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""
        self._began = 0.0

    def ask(self, request: bytes) -> None:
        self._received = b""
        self._began = time.perf_counter()
        self.socket.sendall(request)

    def read(self) -> tuple[int, float] | None:
        """Status and seconds when the answer is whole."""
        data = self.socket.recv(262_144)
        if not data:
            raise ConnectionError(f"the server closed after {self._received[:200]!r}")
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or len(body) < _content_length(head):
            return None
        return int(head.split(b" ", 2)[1]), time.perf_counter() - self._began


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ValueError(f"no Content-Length: {head!r}")


def _percentile_ms(times_s: list[float], share: float) -> float:
    return round(1000 * times_s[min(len(times_s) - 1, math.floor(share * len(times_s)))], 2)


def _ask(pipe: Connection, port: int, request_of: RequestOf, connections: int, seconds: float, first: int) -> None:
    selector = selectors.DefaultSelector()
    statuses: Counter[int] = Counter()
    times_s: list[float] = []
    number = first
    for _ in range(connections):
        client = _Client(port)
        selector.register(client.socket, selectors.EVENT_READ, client)
        client.ask(request_of(number))
        number += 1
    began = time.perf_counter()
    while (now := time.perf_counter()) < began + seconds:
        for key, _ in selector.select(began + seconds - now):
            client = key.data
            if answer := client.read():
                statuses[answer[0]] += 1
                times_s.append(answer[1])
                client.ask(request_of(number))
                number += 1
    elapsed = time.perf_counter() - began
    times_s.sort()
    load = Load(len(times_s) / elapsed, _percentile_ms(times_s, 0.5), _percentile_ms(times_s, 0.99), dict(statuses))
    pipe.send(load)


def load(port: int, request_of: RequestOf, *, connections: int, seconds: float, first: int = 0) -> Load:
    """What `connections` get in `seconds`.  request_of: can be pickled; called with `first`, `first` + 1, ..."""
    here, there = multiprocessing.Pipe()
    arguments = (there, port, request_of, connections, seconds, first)
    process = multiprocessing.get_context("spawn").Process(target=_ask, args=arguments)
    process.start()
    there.close()
    try:
        found: Load = here.recv()
        return found
    finally:
        process.join(30)
        process.kill()
