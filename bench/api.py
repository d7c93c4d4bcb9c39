"""How fast the API accepts a job, and how fast a change reaches a browser, on the running stack.

Peers in the same run: `GET /health` of the same server, and the same message on a bare Redis subscription.
"""

import json
import queue
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import redis
from httpx_sse import connect_sse

from bench.jobs import new_job
from shared import jobs
from shared.jobs import utc_now
from shared.redis.connection import connect
from shared.redis.keys import CHANNEL
from shared.redis.store import JobStore
from shared.settings import Settings, read_settings
from shared.stages import STAGES
from web.cli.stack import Stack

POSTS = 300
CHANGES = 100
LIMITS = {
    "RATE_LIMIT_SUBMIT": "1000000/minute",
    "RATE_LIMIT_READ": "1000000/minute",
    "MAX_ACTIVE_JOBS_PER_KEY": "100000",
}


@contextmanager
def bench_stack(folder: Path) -> Iterator[tuple[Stack, Settings]]:
    """A stack of its own in `folder`, ready, and settings that reach its Valkey."""
    config = replace(read_settings(), port=0, data_dir=folder, artifacts_url=str(folder / "artifacts"), redis_url=None)
    variables = {**LIMITS, "ARTIFACTS_URL": config.artifacts_url}
    with Stack(config, variables=variables, quiet=True) as stack:
        stack.wait_until_ready()
        yield stack, config


def median_ms(call: partial[httpx.Response], count: int) -> float:
    times = []
    for _ in range(count):
        began = time.perf_counter()
        call().raise_for_status()
        times.append(time.perf_counter() - began)
    return round(1000 * statistics.median(times), 2)


def post_latency(url: str) -> dict[str, float]:
    """Median milliseconds of a POST that creates a job and sends its chain, and of the peer."""
    with httpx.Client(base_url=url) as http:
        body = {"url": "file:demo_chat.json"}
        post = partial(http.post, "/api/v1/analysis", params={"force": "true"}, json=body)
        health = partial(http.get, "/health")
        median_ms(post, 20)
        return {"post_ms": median_ms(post, POSTS), "health_ms": median_ms(health, POSTS)}


def change_latency(url: str, config: Settings) -> dict[str, float]:
    """Milliseconds from before a job's change to its arrival at an EventSource client, and at a bare subscriber."""
    client = connect(config, retries=0)
    store = JobStore(client)
    job = store.create(new_job(), max_active=1000).job
    held = store.change(
        job.job_id, partial(jobs.claim, stage=STAGES[0], attempt=1, holder="bench", now=utc_now()), lease="take"
    )
    arrived: queue.Queue[float] = queue.Queue()
    bare: queue.Queue[float] = queue.Queue()
    ready = threading.Barrier(3)
    threads = [
        threading.Thread(target=_watch_stream, args=(url, job.job_id, arrived, ready), daemon=True),
        threading.Thread(target=_watch_redis, args=(client, job.job_id, bare, ready), daemon=True),
    ]
    for thread in threads:
        thread.start()
    ready.wait(20)
    streamed, raw = [], []
    for step in range(1, CHANGES + 1):
        store.renew_lease(job.job_id, held.token)
        report = partial(jobs.report, token=held.token, fraction=step / CHANGES, eta_seconds=None, now=utc_now())
        began = time.perf_counter()
        store.change(job.job_id, report)
        streamed.append(1000 * (arrived.get(timeout=5) - began))
        raw.append(1000 * (bare.get(timeout=5) - began))
        time.sleep(0.25)  # a stage reports five times a second at most; more would be held back
    store.change(job.job_id, partial(jobs.cancel, now=utc_now()), lease="drop")
    p99 = int(0.99 * CHANGES) - 1
    return {
        "stream_ms": round(statistics.median(streamed), 2),
        "stream_p99_ms": round(sorted(streamed)[p99], 2),
        "redis_ms": round(statistics.median(raw), 2),
    }


def _watch_stream(url: str, job_id: str, arrived: "queue.Queue[float]", ready: threading.Barrier) -> None:
    with (
        httpx.Client(base_url=url, timeout=60) as http,
        connect_sse(http, "GET", f"/api/v1/analysis/{job_id}/stream") as source,
    ):
        for number, event in enumerate(source.iter_sse()):
            if number == 1:
                ready.wait(20)
            elif event.event == "progress":
                arrived.put(time.perf_counter())


def _watch_redis(client: redis.Redis, job_id: str, arrived: "queue.Queue[float]", ready: threading.Barrier) -> None:
    with client.pubsub() as listener:
        listener.subscribe(CHANNEL + job_id)
        listener.get_message(timeout=5)
        ready.wait(20)
        while (message := listener.get_message(timeout=30)) is not None:
            if message["type"] == "message":
                arrived.put(time.perf_counter())
                if json.loads(message["data"])["type"] == "cancelled":
                    return


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, bench_stack(Path(folder)) as (stack, config):
        found = post_latency(stack.url) | change_latency(stack.url, config)
    found["post_ratio"] = round(found["post_ms"] / found["health_ms"], 2)
    found["stream_ratio"] = round(found["stream_ms"] / found["redis_ms"], 2)
    print(f"POST /api/v1/analysis: median {found['post_ms']} ms, {found['post_ratio']} x GET /health")
    print(
        f"change to EventSource client: median {found['stream_ms']} ms, p99 {found['stream_p99_ms']} ms, "
        f"{found['stream_ratio']} x a bare Redis subscription"
    )
    print(json.dumps({"bench": "api", **found}))


if __name__ == "__main__":
    main()
