"""The containers' health checks, asked of a real worker and a real scheduler."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from celery import Celery

from shared.redis import keys
from shared.redis.connection import connect
from shared.redis.embedded import free_port
from shared.settings import read_settings
from tests.conftest import ROOT, running_valkey, wait_until

NAME = f"delivery@{socket.gethostname()}"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("health")
    with running_valkey(folder) as url:
        yield {**os.environ, "DATA_DIR": str(folder), "REDIS_URL": url}


@contextmanager
def running(environment: dict[str, str], *arguments: str) -> Iterator[psutil.Process]:
    command = [sys.executable, "-m", "celery", "-A", "workers.app", *arguments]
    with (Path(environment["DATA_DIR"]) / f"{arguments[0]}.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def worker(environment: dict[str, str]) -> Iterator[psutil.Process]:
    with running(environment, "worker", "-Q", "delivery", "-c", "1", "-n", "delivery@%h") as process:
        wait_until(lambda: check(environment, "worker", "delivery").returncode == 0, seconds=120, every=0.5)
        yield process


@pytest.fixture
def app(environment: dict[str, str]) -> Iterator[Celery]:
    with Celery(broker=environment["REDIS_URL"]) as made:
        yield made


def check(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tasks.health", *arguments]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_a_worker_that_answers_but_consumes_nothing_is_found(
    environment: dict[str, str], worker: psutil.Process, app: Celery
) -> None:
    told = app.control.cancel_consumer("delivery", destination=[NAME], reply=True, timeout=30)
    assert NAME in told[0]
    assert app.control.inspect(destination=[NAME], timeout=30).ping() == {NAME: {"ok": "pong"}}

    found = check(environment, "worker", "delivery")

    assert found.returncode == 1
    assert found.stderr.strip() == f"{NAME} answers but does not consume delivery"
    app.control.add_consumer("delivery", destination=[NAME], reply=True, timeout=30)
    assert check(environment, "worker", "delivery").returncode == 0


def test_a_worker_that_stands_still_is_found(environment: dict[str, str], worker: psutil.Process) -> None:
    worker.suspend()
    try:
        found = check(environment, "worker", "delivery")
    finally:
        worker.resume()

    assert (found.returncode, found.stderr.strip()) == (1, f"{NAME} does not answer")


def test_a_worker_of_another_queue_is_not_taken_for_this_one(
    environment: dict[str, str], worker: psutil.Process
) -> None:
    assert check(environment, "worker", "analysis").returncode == 1


@pytest.mark.parametrize("asked", [("worker", "delivery"), ("scheduler",)])
def test_nobody_is_blamed_while_redis_is_away(environment: dict[str, str], asked: tuple[str, ...]) -> None:
    away = environment | {"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}

    found = check(away, *asked)

    assert (found.returncode, found.stdout[:9]) == (0, "not asked"), found.stderr


def test_a_scheduler_that_has_ended_is_found(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(environment, "scheduler").returncode == 1

    with running(environment, "beat"):
        wait_until(lambda: check(environment, "scheduler").returncode == 0, seconds=120, every=0.5)
    for name in ("DATA_DIR", "REDIS_URL"):
        monkeypatch.setenv(name, environment[name])
    client = connect(read_settings(), retries=1)
    client.set(keys.REAPER_LAST, "2026-01-01T00:00:00.000Z")  # where its clock stood

    found = check(environment, "scheduler")

    client.connection_pool.disconnect()
    client.close()
    assert found.returncode == 1
    assert "has not looked what is due since 2026-01-01" in found.stderr


def test_flower_does_not_start_without_a_password(environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "celery", "-A", "workers.app", "flower", f"--port={free_port()}"]
    for users in ("", "operator", "operator:sesame,ben:"):
        ended = subprocess.run(
            command,
            env=environment | {"FLOWER_BASIC_AUTH": users},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

        assert ended.returncode == 1
        assert "FLOWER_BASIC_AUTH is not of the form user:password" in ended.stderr
