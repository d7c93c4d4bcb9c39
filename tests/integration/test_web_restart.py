"""A restart of the web server that nobody notices: HUP to gunicorn, under load."""

import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.conftest import wait_until
from tests.integration.conftest import Web, master_of, running_web, used
from tests.integration.stream_clients import Follower, Worker

CALLERS = 4
RESTARTS = 3


@pytest.fixture
def own_server(tmp_path: Path, valkey_url: str) -> Iterator[Web]:
    settings = {"LOCAL_MEDIA_DIR": str(tmp_path), "WEB_CONCURRENCY": "2"}
    with running_web(tmp_path / "own", valkey_url, **settings) as url, used(url, valkey_url, tmp_path / "own") as web:
        yield web


class Caller(threading.Thread):
    """Asks again and again, each time on a new connection, as a proxy without keep-alive does."""

    def __init__(self, url: str, job_id: str, end: threading.Event) -> None:
        super().__init__(daemon=True)
        self._url, self._job_id, self._end = url, job_id, end
        self.answers: Counter[str] = Counter()

    def run(self) -> None:
        while not self._end.is_set():
            try:
                answer = httpx.get(f"{self._url}/api/v1/analysis/{self._job_id}/status", timeout=60)
                self.answers[str(answer.status_code)] += 1
            except httpx.HTTPError as error:
                self.answers[type(error).__name__] += 1


def processes(master: psutil.Process) -> set[int]:
    return {child.pid for child in master.children()}


def test_hup_loses_no_request_and_no_event(own_server: Web) -> None:
    web_master = master_of(own_server)
    # Given callers, and clients that follow jobs
    job_ids = [own_server.submit(f"file:{number}.mp4") for number in range(4)]
    workers = [Worker(own_server, job_id) for job_id in job_ids]
    followers = [Follower(own_server, job_id) for job_id in job_ids * 3]
    end = threading.Event()
    callers = [Caller(own_server.url, job_ids[0], end) for _ in range(CALLERS)]
    for thread in (*followers, *callers):
        thread.start()
    for follower in followers:
        assert follower.is_waiting.wait(60)

    # When every process is replaced, again and again, and something happens in between
    for restart in range(RESTARTS):
        before = processes(web_master)
        web_master.send_signal(signal.SIGHUP)
        for worker in workers:
            worker.claim(restart)
            worker.finish()
        wait_until(lambda: not before & processes(web_master), seconds=120)  # noqa: B023 -- called at once
    for worker in workers:
        worker.claim(RESTARTS)
        worker.fail()

    # Then everyone was answered, and everything was told once and in order
    for follower in followers:
        follower.join(120)
        follower.check(ends="failed")
    end.set()
    for caller in callers:
        caller.join(60)
    answers = sum((caller.answers for caller in callers), Counter())
    assert set(answers) == {"200"}, answers
    assert answers["200"] > 20
    assert max(follower.connections for follower in followers) > 1
