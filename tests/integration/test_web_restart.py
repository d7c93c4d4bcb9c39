"""A restart of the web server that nobody notices: HUP to gunicorn, under load."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.conftest import ROOT, wait_until
from tests.integration.conftest import GUNICORN, Web, master_of, running_web, used
from tests.integration.stream_clients import Follower, Worker

CALLERS = 4
# What systemd does before it starts a service whose socket it holds.
ACTIVATED = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.executable, [sys.executable, "-m", *sys.argv[2:]])
"""
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


def test_a_socket_that_systemd_holds_lets_callers_wait_over_a_stop(tmp_path: Path, valkey_url: str) -> None:
    """As klipstream-web.socket: the listening socket outlives the server, which finds it as descriptor 3."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        port = str(listener.getsockname()[1])
        variables = {
            "DATA_DIR": str(tmp_path),
            "REDIS_URL": valkey_url,
            "PORT": port,
            "RATE_LIMIT_READ": "100000/minute",
        }
        end, log = threading.Event(), (tmp_path / "web.log").open("wb")

        def start() -> "subprocess.Popen[bytes]":
            return subprocess.Popen(
                [sys.executable, "-c", ACTIVATED, str(listener.fileno()), *GUNICORN],
                env=os.environ | variables,
                cwd=ROOT,
                stdout=log,
                stderr=log,
                pass_fds=(listener.fileno(),),
            )

        server = start()
        callers = [Caller(f"http://127.0.0.1:{port}", "none", end) for _ in range(CALLERS)]
        try:
            for caller in callers:
                caller.start()
            wait_until(lambda: all(caller.answers for caller in callers), seconds=180)
            server.terminate()
            assert server.wait(60) == 0
            before = sum(caller.answers["404"] for caller in callers)
            server = start()
            wait_until(lambda: sum(caller.answers["404"] for caller in callers) > before + 20, seconds=120)
            end.set()
            for caller in callers:
                caller.join(60)
        finally:
            end.set()
            server.terminate()
            server.wait(60)
            log.close()
    assert {name for caller in callers for name in caller.answers} == {"404"}
