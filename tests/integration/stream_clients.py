"""Who moves jobs, and who watches them, in the tests of the streams."""

import json
import os
import re
import signal
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from httpx_sse import ServerSentEvent, connect_sse

from shared import jobs
from shared.errors import UnsupportedFormat
from shared.jobs import Job, utc_now
from shared.redis.keys import CHANNEL
from shared.stages import STAGES, TERMINAL
from tests.integration.conftest import Web
from tests.results_made import results

TCP_REPAIR = 19  # of linux/tcp.h


class Worker:
    """Moves one job as the pools do."""

    def __init__(self, web: Web, job_id: str) -> None:
        self._web, self._job_id = web, job_id

    def change(self, transition: Callable[..., Job], **arguments: Any) -> Job:
        return self._web.store.change(self._job_id, partial(transition, now=utc_now(), **arguments))

    def claim(self, stage: int = 0, attempt: int = 1) -> None:
        self._token = self.change(jobs.claim, stage=STAGES[stage], attempt=attempt, holder="test").token

    def report(self, fraction: float) -> None:
        self.change(jobs.report, token=self._token, fraction=fraction, eta_seconds=None)

    def finish(self) -> None:
        self.change(jobs.finish, token=self._token, seconds=1.0, results=results())

    def fail(self) -> None:
        self.change(jobs.fail, token=self._token, error=UnsupportedFormat())

    def complete(self) -> None:
        for stage in range(len(STAGES)):
            self.claim(stage)
            self.finish()


def streams(web: Web) -> int:
    """How many clients the server has, as its metrics say."""
    found = re.search(r"^klip_streams (\d+)", web.http.get("/metrics").text, re.MULTILINE)
    assert found
    return int(found[1])


def raw_stream(web: Web, job_id: str, *, receive_buffer: int | None = None) -> socket.socket:
    """A client that reads only when it is told to."""
    address = httpx.URL(web.url)
    client = socket.socket()
    client.settimeout(30)
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.connect((address.host, address.port or 80))
    client.sendall(f"GET /api/v1/analysis/{job_id}/stream HTTP/1.1\r\nHost: test\r\n\r\n".encode())
    return client


def read_until(client: socket.socket, text: bytes) -> bytes:
    found = b""
    while text not in found:
        piece = client.recv(65536)
        assert piece, f"closed after {found[-500:]!r}"
        found += piece
    return found


def publish(web: Web, job_id: str, number: int, **more: object) -> None:
    """An event as workers publish it. The status alternates, so it is not thinned out."""
    latest = web.store.last_event(job_id)
    assert latest
    status = ("downloading", "transcribing")[number % 2]
    data = {**latest.data, "status": status, "number": number, **more}
    event_id = f"{latest.id.partition('-')[0]}-{number + 1}"
    web.store.redis.publish(CHANNEL + job_id, json.dumps({"id": event_id, "type": "progress", "data": data}))


def vanish(client: socket.socket) -> None:
    """Be gone as a machine without power is: without a FIN where we may do so, else with a reset."""
    try:
        client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    except OSError:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


class Follower(threading.Thread):
    """Follows a job to its end as a browser does: comes back with the id of the last event it has seen."""

    def __init__(self, web: Web, job_id: str) -> None:
        super().__init__(daemon=True)
        self._url, self.job_id = web.url, job_id
        self.told: list[ServerSentEvent] = []
        self.connections = 0
        self.is_waiting = threading.Event()

    def run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=60) as http:
            while not (self.told and self.told[-1].event == "stream_ended"):
                with suppress(httpx.HTTPError):
                    self._follow(http)

    def _follow(self, http: httpx.Client) -> None:
        headers = {"Last-Event-ID": self.told[-1].id} if self.told else {}
        with connect_sse(http, "GET", f"/api/v1/analysis/{self.job_id}/stream", headers=headers) as source:
            self.connections += 1
            for event in source.iter_sse():
                self.told.append(event)
                if event.event == "progress":
                    self.is_waiting.set()

    def check(self, ends: str) -> None:
        """Every change was told once and in order, the end with it."""
        changes = [event.id for event in self.told if event.event not in {"connected", "stream_ended"}]
        numbers = [tuple(map(int, event_id.split("-"))) for event_id in changes]
        assert numbers == sorted(numbers)
        assert [event.event for event in self.told if event.event in TERMINAL] == [ends]


def kill_worker(web_log: Path) -> Callable[[], bool]:
    """Kill the process that serves; what is returned tells whether there is another."""
    victim = _worker_process(web_log)
    os.kill(victim, signal.SIGKILL)
    return lambda: _worker_process(web_log) != victim


def _worker_process(web_log: Path) -> int:
    """The process that serves, as gunicorn told it last."""
    return int(re.findall(r"Booting worker with pid: (\d+)", web_log.read_text())[-1])
