"""What leases, progress, manifests and compare-and-set cost: our chain of five stages beside five bare Celery tasks.

Same Valkey, same worker process, same pool; the work of every stage is nothing.  Ends with one JSON line.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.jobs import Job, utc_now
from shared.records import Video
from shared.redis.store import JobStore
from shared.stages import QUEUES, STAGES

ROOT = Path(__file__).resolve().parent.parent
SERIAL, TOGETHER = 40, 200
PATIENCE_S = 120


@contextmanager
def environment(folder: Path) -> Iterator[None]:
    """This process and its children on an embedded Valkey of their own."""
    os.environ.pop("REDIS_URL", None)
    os.environ["DATA_DIR"] = str(folder)
    from shared.redis.embedded import choose_address
    from shared.settings import read_settings

    os.environ["REDIS_URL"] = choose_address(read_settings())
    children = [subprocess.Popen([sys.executable, "-m", "shared.redis.embedded"], cwd=ROOT, stdout=subprocess.DEVNULL)]
    time.sleep(1)
    worker = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "bench.pipeline_worker",
        "worker",
        "-c",
        "2",
        "-Q",
        ",".join(QUEUES),
    ]
    children.append(subprocess.Popen(worker, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    try:
        yield
    finally:
        for child in reversed(children):
            child.terminate()
            child.wait(20)


def wait(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        if time.monotonic() > deadline:
            sys.exit("bench.pipeline: the worker did not finish")
        time.sleep(0.002)


def send_ours(store: JobStore, number: int) -> Job:
    from tasks.pipeline import send

    now = utc_now()
    job = Job(
        job_id=f"bench{number}",
        owner="",
        url="bench",
        source={"kind": "local", "ref": "bench"},
        fingerprint=str(number),
        created_at=now,
        updated_at=now,
        waiting_since=now,
        video=Video(id="x", source="local", duration_seconds=60.0),
    )
    store.create(job, max_active=10_000)
    send(job)
    return job


def send_bare(store: JobStore, number: int) -> str:
    from celery import chain

    from bench.pipeline_worker import BARE, done_key
    from workers.app import app

    key = done_key(number)
    chain(*(app.signature(BARE, args=(key,), immutable=True, queue=s.queue) for s in STAGES)).apply_async()
    return key


def bare_is_done(store: JobStore, key: str) -> bool:
    return int(store.redis.get(key) or 0) >= len(STAGES)


def serial_ms(store: JobStore, first: int) -> tuple[float, float]:
    """Median milliseconds a stage, one chain after the other: ours and bare, in turns."""
    ours, bare = [], []
    for number in range(first, first + SERIAL):
        began = time.perf_counter()
        job = send_ours(store, number)
        wait(lambda job=job: store.get(job.job_id).is_terminal)  # type: ignore[misc]
        ours.append(time.perf_counter() - began)
        began = time.perf_counter()
        key = send_bare(store, number)
        wait(lambda key=key: bare_is_done(store, key))  # type: ignore[misc]
        bare.append(time.perf_counter() - began)
    per_stage = 1000 / len(STAGES)
    return statistics.median(ours) * per_stage, statistics.median(bare) * per_stage


def chains_per_second(store: JobStore, first: int) -> tuple[float, float]:
    numbers = range(first, first + TOGETHER)
    began = time.perf_counter()
    for number in numbers:
        send_ours(store, number)
    wait(lambda: not store.redis.exists("klip:active"))
    ours = TOGETHER / (time.perf_counter() - began)
    began = time.perf_counter()
    keys = [send_bare(store, number) for number in numbers]
    wait(lambda: all(bare_is_done(store, key) for key in keys))
    return ours, TOGETHER / (time.perf_counter() - began)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, environment(Path(folder)):
        from workers.app import job_store

        store = job_store()
        for number in range(3):
            send_bare(store, number)
            job = send_ours(store, number)
            wait(lambda job=job: store.get(job.job_id).is_terminal)  # type: ignore[misc]
        ours_ms, bare_ms = serial_ms(store, 1000)
        ours_rate, bare_rate = chains_per_second(store, 10_000)
    print(f"a stage: {ours_ms:.2f} ms beside {bare_ms:.2f} ms bare, {ours_ms - bare_ms:.2f} ms on top")
    print(f"chains per second: {ours_rate:.1f} beside {bare_rate:.1f} bare, {ours_rate / bare_rate:.2f} of it")
    print(
        json.dumps(
            {
                "bench": "pipeline",
                "stage_ms": round(ours_ms, 2),
                "bare_ms": round(bare_ms, 2),
                "overhead_ms": round(ours_ms - bare_ms, 2),
                "chains_per_s": round(ours_rate, 1),
                "ratio": round(ours_rate / bare_rate, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
