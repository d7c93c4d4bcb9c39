"""Debian's nginx with its defaults (it buffers what it passes on) in front of the web server."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from httpx_sse import connect_sse

from shared.redis.embedded import free_port
from tests.conftest import wait_until
from tests.integration.conftest import Web
from tests.integration.stream_clients import Follower, Worker, streams
from tests.programs import program

CONFIG = """
pid nginx.pid;
error_log error.log;
events {{}}
http {{
    access_log off;
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass {behind}; }}
    }}
}}
"""


@pytest.fixture(scope="module")
def nginx() -> str:
    return program("nginx", "apt-get install nginx-light")


@contextmanager
def running(nginx: str, folder: Path, port: int) -> Iterator[None]:
    process = subprocess.Popen([nginx, "-p", str(folder), "-c", "nginx.conf", "-e", "error.log", "-g", "daemon off;"])
    try:
        wait_until(lambda: (folder / "nginx.pid").exists() and _answers(port), seconds=20)
        yield
    finally:
        process.terminate()
        process.wait(20)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", timeout=5).is_success
    except httpx.TransportError:
        return False


@pytest.fixture
def port(web: Web, tmp_path: Path) -> int:
    """Where nginx will listen; its configuration is in the test's folder."""
    port = free_port()
    (tmp_path / "nginx.conf").write_text(CONFIG.format(port=port, behind=web.url))
    return port


def test_every_event_passes_at_once_and_in_order(nginx: str, web: Web, port: int, tmp_path: Path) -> None:
    job_id = web.submit()
    worker = Worker(web, job_id)
    url = f"http://127.0.0.1:{port}/api/v1/analysis/{job_id}/stream"
    with running(nginx, tmp_path, port), httpx.Client(timeout=30) as http, connect_sse(http, "GET", url) as source:
        events = source.iter_sse()
        assert [next(events).event for _ in range(2)] == ["connected", "progress"]
        for stage in range(5):
            # Each is told before the next one happens
            worker.claim(stage)
            assert next(events).event == "progress"
            worker.finish()
            told = next(events)
            assert told.event == ("completed" if stage == 4 else "progress")
        assert [event.event for event in events] == ["stream_ended"]


def test_a_proxy_that_restarts_costs_its_clients_nothing(nginx: str, web: Web, port: int, tmp_path: Path) -> None:
    job_ids = [web.submit() for _ in range(5)]
    workers = [Worker(web, job_id) for job_id in job_ids]
    through = replace(web, url=f"http://127.0.0.1:{port}")
    followers = [Follower(through, job_id) for job_id in job_ids * 2]
    with running(nginx, tmp_path, port):
        for follower in followers:
            follower.start()
        for follower in followers:
            assert follower.is_waiting.wait(60)
        for worker in workers:
            worker.claim()
    wait_until(lambda: streams(web) == 0, seconds=25)  # who has left is found by the next comment
    for worker in workers[:3]:
        worker.fail()

    with running(nginx, tmp_path, port):
        wait_until(lambda: streams(web) == 4)
        for worker in workers[3:]:
            worker.fail()
        for follower in followers:
            follower.join(60)
            assert not follower.is_alive()
            follower.check(ends="failed")
            assert follower.connections > 1
