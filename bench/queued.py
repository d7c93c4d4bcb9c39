"""What 1 000, 10 000 and 100 000 queued jobs cost: the reaper's sweep, a submission, the pages that look at jobs.

A web server and a Valkey of its own, no workers. The peer is the same server with no job queued; a line of JSON each.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import uuid4

import httpx
import redis

from shared.jobs import Job, moved, utc_now
from shared.redis.connection import connect
from shared.redis.embedded import choose_address, free_port
from shared.redis.store import JobStore
from shared.settings import Settings, read_settings

ROOT = Path(__file__).resolve().parent.parent
COUNTS = (1_000, 10_000)
POSTS = 1_000
LOOKS = 30
SWEEPS = 30
WARM_UP = 50
START_S = 60.0
PATHS = {"list_ms": "/api/v1/jobs", "queues_ms": "/api/v1/queues", "metrics_ms": "/metrics", "ready_ms": "/ready"}
LIMITS = {
    "RATE_LIMIT_SUBMIT": "1000000/minute",
    "RATE_LIMIT_READ": "1000000/minute",
    "MAX_ACTIVE_JOBS_PER_KEY": "1000000",
}
# In a process of its own, where the settings reach the task as they reach a worker's.
SWEEP = """
import json, sys, time
from tasks.reaper import reap
def sweep():
    began = time.perf_counter()
    reap()
    return 1000 * (time.perf_counter() - began)
first = sweep()
print(json.dumps([first, [sweep() for _ in range(int(sys.argv[1]))]]))
"""


@contextmanager
def _process(arguments: Sequence[str], environment: dict[str, str]) -> Iterator[None]:
    command = [sys.executable, "-m", *arguments]
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def _wait(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            if condition():
                return
        except (httpx.TransportError, redis.ConnectionError):
            pass
        if time.monotonic() > deadline:
            raise TimeoutError("the stack did not start")
        time.sleep(0.1)


class Queued:
    """A small stack, and what is measured on it."""

    def __init__(self, client: redis.Redis, http: httpx.Client, environment: dict[str, str]) -> None:
        self._redis, self._http, self._environment = client, http, environment
        self._store = JobStore(client)
        self._empty_bytes = self._used_bytes()
        self._jobs = 0

    def fill(self, count: int) -> None:
        """Accept jobs by the script that accepts those of the API until there are `count`."""
        while self._jobs < count:
            self._store.create(_new_job(self._jobs), max_active=10 * count)
            self._jobs += 1

    def measure(self) -> dict[str, float]:
        """Milliseconds: the sweep's median and most, a POST's median and p99, the median of each page."""
        job_bytes = (self._used_bytes() - self._empty_bytes) / max(self._jobs, 1)
        first, sweeps = self._sweeps()
        figures = {
            name: statistics.median(self._times(partial(self._http.get, path), LOOKS)) for name, path in PATHS.items()
        }
        body = {"url": "https://www.twitch.tv/videos/1234567890"}
        post = partial(self._http.post, "/api/v1/analysis", params={"force": "true"}, json=body)
        self._times(post, WARM_UP)
        posts = self._times(post, POSTS)
        self._jobs += WARM_UP + POSTS
        return {
            "first_sweep_ms": first,
            "sweep_ms": statistics.median(sweeps),
            "sweep_most_ms": max(sweeps),
            "post_p50_ms": statistics.median(posts),
            "post_p99_ms": sorted(posts)[math.ceil(0.99 * len(posts)) - 1],
            **figures,
            "redis_bytes_a_job": job_bytes if self._jobs > WARM_UP + POSTS else 0.0,
        }

    def _sweeps(self) -> tuple[float, list[float]]:
        """The first sweep of a process, which connects and may look through all jobs, and those that follow."""
        command = [sys.executable, "-c", SWEEP, str(SWEEPS)]
        done = subprocess.run(command, env=self._environment, cwd=ROOT, check=True, capture_output=True)
        first, sweeps = json.loads(done.stdout)
        return float(first), [float(one) for one in sweeps]

    def _times(self, call: Callable[[], httpx.Response], count: int) -> list[float]:
        found = []
        for _ in range(count):
            began = time.perf_counter()
            answer = call()
            found.append(1000 * (time.perf_counter() - began))
            if answer.status_code not in {200, 202, 503}:  # /ready says 503: there are no workers
                answer.raise_for_status()
        return found

    def _used_bytes(self) -> int:
        return int(self._redis.info("memory")["used_memory"])


def _new_job(number: int) -> Job:
    now = utc_now()
    return Job(
        job_id=uuid4().hex,
        owner="",
        url="https://www.twitch.tv/videos/1234567890",
        source={"kind": "twitch", "ref": str(number)},
        fingerprint=uuid4().hex + uuid4().hex,
        created_at=moved(now, -60),
        updated_at=now,
        waiting_since=moved(now, -60),
        video_id=f"v{1234567890 + number}",
    )


@contextmanager
def small_stack(folder: Path) -> Iterator[Queued]:
    """gunicorn and the embedded Valkey as the stack runs them, in `folder`."""
    config: Settings = replace(read_settings(), data_dir=folder, redis_url=None)
    url = choose_address(config)
    port = free_port()
    environment = {
        **os.environ,
        **LIMITS,
        "DATA_DIR": str(folder),
        "ARTIFACTS_URL": str(folder / "artifacts"),
        "REDIS_URL": url,
        "PORT": str(port),
        "CONVEX_URL": "",
    }
    with ExitStack() as stack:
        stack.enter_context(_process(["shared.redis.embedded"], environment))
        client = connect(config, retries=0)
        stack.callback(client.close)
        _wait(client.ping)
        stack.enter_context(_process(["gunicorn", "-c", "web/gunicorn.conf.py", "web:app"], environment))
        http = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60))
        _wait(lambda: http.get("/health").is_success)
        yield Queued(client, http, environment)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, nargs="+", default=COUNTS)
    counts: list[int] = sorted(parser.parse_args().jobs)
    with tempfile.TemporaryDirectory() as folder, small_stack(Path(folder)) as stack:
        empty: dict[str, float] = {}
        for count in (0, *counts):
            stack.fill(count)
            found = stack.measure()
            empty = empty or found
            found["post_p99_ratio"] = found["post_p99_ms"] / empty["post_p99_ms"]
            line = {"bench": "queued", "jobs": count, **{name: round(value, 2) for name, value in found.items()}}
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
