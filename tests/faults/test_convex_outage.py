"""Convex goes down in the middle of twenty jobs: they don't notice, and every row is right when it is back.

`OUTAGE_S=60 python -m pytest -s tests/faults/test_convex_outage.py` keeps it down for as long as that and prints how
much slower the jobs were; without it the wait for the breaker's probe is cut short.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from shared import outbox
from shared.breaker import PREFIX as BREAKER
from shared.clients import connect
from shared.jobs import Job, seconds_since
from shared.settings import read_settings
from shared.stages import DELIVERY_QUEUE, QUEUES, JobStatus
from shared.store import JobStore
from tests.conftest import ROOT, running_valkey, wait_until
from tests.peers.convex_peer import DEPLOY_KEY, ConvexPeer, running_convex

OUTAGE_S = float(os.environ.get("OUTAGE_S", "0"))
JOBS = 20
BACK_WITHIN_S = 30
SUBMIT = """
import sys
from shared.jobs import Job, utc_now
from tasks.pipeline import send
from workers.app import job_store
for number in range(int(sys.argv[2])):
    now, name = utc_now(), f"{sys.argv[1]}{number}"
    job = Job(job_id=name, owner="", url="{}", source={"kind": "local", "ref": "x"}, fingerprint=name, created_at=now,
              updated_at=now, waiting_since=now, video_id=name, video={"duration_seconds": 60.0, "title": name})
    send(job_store().create(job, max_active=1000).job)
"""


class Running(NamedTuple):
    store: JobStore
    convex: ConvexPeer
    environment: dict[str, str]


@contextmanager
def celery(app: str, *options: str, environment: dict[str, str], log: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "celery", "-A", app, "worker", *options]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=output, stderr=output)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    stages = ",".join(queue for queue in QUEUES if queue != DELIVERY_QUEUE)
    with ExitStack() as stack:
        convex = stack.enter_context(running_convex())
        url = stack.enter_context(running_valkey(tmp_path))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("REDIS_URL", url)
        patch.setenv("DATA_DIR", str(tmp_path))
        client = connect(read_settings(), retries=1)
        stack.callback(client.close)
        stack.callback(client.connection_pool.disconnect)
        environment = {**os.environ, "CONVEX_URL": convex.url, "CONVEX_DEPLOY_KEY": DEPLOY_KEY}
        scripted = ("tests.integration.scripted_stages", "-Q", stages, "-c", "2", "-n", "stages@%h")
        stack.enter_context(celery(*scripted, environment=environment, log=tmp_path / "stages.log"))
        schedule = str(tmp_path / "beat")
        delivery = ("workers.app", "-Q", DELIVERY_QUEUE, "-c", "3", "-B", "-s", schedule, "-n", "delivery@%h")
        stack.enter_context(celery(*delivery, environment=environment, log=tmp_path / "delivery.log"))
        yield Running(JobStore(client), convex, environment)


def start(running: Running, name: str) -> "subprocess.Popen[bytes]":
    """Twenty jobs from another process, as the web sends them."""
    command = [sys.executable, "-c", SUBMIT, name, str(JOBS)]
    return subprocess.Popen(command, env=running.environment, cwd=ROOT)


def ended(running: Running, name: str) -> list[Job]:
    found = running.store.page("", limit=100).jobs
    return [job for job in found if job.job_id.startswith(name) and job.status is JobStatus.COMPLETED]


def rows_equal_jobs(running: Running, name: str) -> bool:
    rows = {row["jobId"]: row for row in running.convex.rows()}
    return all(
        (row := rows.get(job.job_id)) is not None
        and (row["seq"], row["status"], row["progressPercentage"]) == (job.seq, "Completed", 100)
        for job in ended(running, name)
    )


def seconds_each(jobs: list[Job]) -> float:
    """Mean seconds from the first claim to the end."""
    return sum(seconds_since(str(job.started_at), str(job.finished_at)) for job in jobs) / len(jobs)


def cut_the_wait_short(store: JobStore) -> None:
    """Turn the clock: the breaker opened a minute ago, and what was put off is due."""
    store.redis.hset(f"{BREAKER}convex", "opened_at", 0)
    for job_id in store.redis.zrange(outbox.MIRROR_DUE, 0, -1):
        store.redis.zadd(outbox.MIRROR_DUE, {str(job_id): 0}, xx=True)


def test_jobs_do_not_notice_and_every_row_is_right_afterwards(running: Running) -> None:
    with start(running, "calm"):
        wait_until(lambda: len(ended(running, "calm")) == JOBS, seconds=90, every=0.2)
    wait_until(lambda: rows_equal_jobs(running, "calm"), seconds=30, every=0.2)

    with start(running, "rough"):
        wait_until(lambda: len(ended(running, "rough")) >= 3, seconds=90)
        running.convex.control("drop")
        went_down = time.monotonic()
        wait_until(lambda: len(ended(running, "rough")) == JOBS, seconds=90, every=0.2)
    wait_until(lambda: running.store.redis.hget(f"{BREAKER}convex", "state") == "open", seconds=30)
    assert not rows_equal_jobs(running, "rough")
    wait_until(lambda: time.monotonic() - went_down >= OUTAGE_S, seconds=OUTAGE_S + 1)
    running.convex.control(None)
    came_back = time.monotonic()
    if not OUTAGE_S:
        cut_the_wait_short(running.store)

    wait_until(lambda: rows_equal_jobs(running, "rough"), seconds=BACK_WITHIN_S, every=0.2)
    calm, rough = (seconds_each(ended(running, name)) for name in ("calm", "rough"))
    print(
        f"\nseconds a job: {calm:.3f} calm, {rough:.3f} with Convex down {time.monotonic() - went_down:.0f} s; ", end=""
    )
    print(f"every row right {time.monotonic() - came_back:.1f} s after it was back")
    assert running.store.redis.hget(f"{BREAKER}convex", "openings") == "1"
