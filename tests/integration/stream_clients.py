"""Who moves jobs, and who watches them, in the tests of the streams."""

import json
import re
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx

from shared import jobs
from shared.errors import UnsupportedFormat
from shared.jobs import Job, utc_now
from shared.redis.keys import CHANNEL
from shared.stages import STAGES
from tests.integration.conftest import Web


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
        self.change(jobs.finish, token=self._token, seconds=1.0, results={"highlights": 3})

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
