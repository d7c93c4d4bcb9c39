"""Posting events to the receivers that users named, signed by the Standard Webhooks scheme.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import json
import socket
import threading
import time
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, NamedTuple

import requests
from standardwebhooks import Webhook
from urllib3.exceptions import HTTPError

from shared.errors import KlipError, NetworkTimeout
from shared.jobs import Job
from shared.net.egress import Egress, EgressAdapter, any_host, convert
from shared.net.retry import parse_retry_after
from shared.representations import API, job_view

TIMEOUT_S = 10.0  # for all of it, from the connection to the answer
MAX_ANSWER_BYTES = 4096
KEPT_ANSWER = 200  # characters shown to the owner of the job
# Ten tries: at once, and after each of these waits (s); the last one is a day after the first.
WAITS_S = (5, 300, 1800, 3600, 7200, 10_800, 14_400, 21_600, 26_695)
GONE = 410


class Answer(NamedTuple):
    """What came of one try. status: None when there was no answer; then error says why."""

    status: int | None
    text: str
    error: str | None
    seconds: float
    retry_after_s: float | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether the receiver answered 2xx."""
        return self.status is not None and 200 <= self.status < 300


def payload(event: str, job: Job, *, created_at: str, base_url: str) -> str:
    """The body of an event, the same text each time. Links into the API are absolute."""
    data = job_view(job, base_url=base_url)
    data["results"] = _absolute(data["results"], base_url)
    record = {"type": event, "timestamp": created_at, "data": data}
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def _absolute(results: dict[str, Any] | None, base_url: str) -> dict[str, Any] | None:
    if results is None:
        return None
    return {
        name: base_url + value if isinstance(value, str) and value.startswith(API) else value
        for name, value in results.items()
    }


class WebhookSender:
    """Posts to one receiver at a time in each thread.

    private_hosts: `host:port` that may be private and plain http.
    """

    def __init__(self, secret: str, *, private_hosts: frozenset[str], timeout_s: float = TIMEOUT_S) -> None:
        self._signer = Webhook(secret)
        self._egress = Egress(allowed=any_host, private=private_hosts)
        self._timeout_s = timeout_s

    def post(self, url: str, *, event_id: str, body: str) -> Answer:
        """Try once. The address is checked anew, redirects are not followed, nothing is raised."""
        began = time.monotonic()
        try:
            status, text, retry_after_s = self._post(url, event_id, body)
        except KlipError as error:
            return Answer(None, "", error.detail, round(time.monotonic() - began, 3))
        return Answer(status, text, None, round(time.monotonic() - began, 3), retry_after_s)

    def _post(self, url: str, event_id: str, body: str) -> tuple[int, str, float | None]:
        deadline = _Deadline(self._timeout_s)
        try:
            with deadline, _session(self._egress, deadline) as session:
                response = session.post(
                    url,
                    data=body.encode(),
                    headers=self._headers(event_id, body),
                    timeout=self._timeout_s,
                    allow_redirects=False,
                    stream=True,
                )
                with response:
                    answer = response.raw.read(MAX_ANSWER_BYTES, decode_content=True)
        except requests.RequestException as error:
            raise (NetworkTimeout() if deadline.passed else convert(error)) from error
        except (HTTPError, OSError, ValueError) as error:
            # ValueError: a TLS connection that was cut off by the deadline.
            raise (NetworkTimeout() if deadline.passed else convert(requests.ConnectionError(error))) from error
        if deadline.passed:
            # http.client takes headers that were cut off for whole ones.
            raise NetworkTimeout
        retry_after_s = parse_retry_after(response.headers.get("Retry-After"))
        return response.status_code, _readable(answer), retry_after_s

    def _headers(self, event_id: str, body: str) -> dict[str, str]:
        now = datetime.now(UTC)
        return {
            "Content-Type": "application/json",
            "User-Agent": "KlipStream-Webhooks",
            "webhook-id": event_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(event_id, now, body),
        }


def _readable(answer: bytes) -> str:
    text = answer.decode("utf-8", errors="replace")
    return "".join(letter if letter.isprintable() else " " for letter in text)[:KEPT_ANSWER].strip()


class _Deadline:
    """Cuts the connections off that were made inside, once the time is over.

    Timeouts of sockets are between two bytes; a receiver that sends one now and then would hold us for hours.
    """

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._lock = threading.Lock()
        self._watched: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._pass)
        self._timer.daemon = True

    def watch(self, connection: socket.socket) -> None:
        # A second descriptor of the same connection: it stays ours when TLS takes the first one over.
        twin = connection.dup()
        with self._lock:
            self._watched.append(twin)
        if self.passed:
            self._pass()

    def _pass(self) -> None:
        self.passed = True
        with self._lock:
            for twin in self._watched:
                try:
                    twin.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # the other side was faster

    def __enter__(self) -> "_Deadline":
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            for twin in self._watched:
                twin.close()
            self._watched.clear()


class _TimedAdapter(EgressAdapter):
    """A guarded adapter whose connections a deadline watches."""

    def __init__(self, egress: Egress, deadline: _Deadline) -> None:
        self._deadline = deadline
        super().__init__(egress, connections=1)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: object) -> None:
        super().init_poolmanager(connections, maxsize, block, **pool_kwargs)
        deadline = self._deadline

        class Watched:
            def _new_conn(self) -> socket.socket:
                connection: socket.socket = super()._new_conn()  # type: ignore[misc] # of the class it is mixed into
                deadline.watch(connection)
                return connection

        self.poolmanager.pool_classes_by_scheme = {
            scheme: type("WatchedPool", (pool,), {"ConnectionCls": type("Watched", (Watched, pool.ConnectionCls), {})})
            for scheme, pool in self.poolmanager.pool_classes_by_scheme.items()
        }


def _session(egress: Egress, deadline: _Deadline) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.adapters.clear()
    adapter = _TimedAdapter(egress, deadline)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
