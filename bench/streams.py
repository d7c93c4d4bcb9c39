"""Event streams of 1 000, 5 000 and 10 000 clients over 100 jobs at 50 events a second, beside two other servers.

KiB a client (PSS), delay from publishing to receiving, CPU while it goes on, connections to Redis, share delivered.
"""

import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
import psutil
import redis

from bench.jobs import new_job
from bench.stream_clients import Clients, Received, watch
from shared.jobs import Job
from shared.redis.connection import connect
from shared.redis.embedded import choose_address, free_port
from shared.redis.keys import channel
from shared.redis.store import JobStore
from shared.representations import event_of
from shared.settings import Settings, read_settings

ROOT = Path(__file__).resolve().parent.parent
COUNTS = (1_000, 5_000, 10_000)
JOBS = 100
EVENTS_PER_S = 50
PUBLISH_S = 8.0
OPEN_WITHIN_S = 45.0
LATE_S = 2.0
SETTLE_WITHIN_S = 15.0
START_S = 60.0
LIMITS = {
    "RATE_LIMIT_SUBMIT": "1000000/minute",
    "RATE_LIMIT_READ": "1000000/minute",
    "MAX_ACTIVE_JOBS_PER_KEY": "1000000",
}
GUNICORN = [sys.executable, "-m", "gunicorn"]


class Server(NamedTuple):
    """command: with {port}.  path: of a job's stream, with {job_id}.  alive: a path that answers when it is up."""

    name: str
    command: list[str]
    path: str
    alive: str


SERVERS = (
    Server(
        "klipstream",
        [*GUNICORN, "-c", "web/gunicorn.conf.py", "web:app"],
        "/api/v1/analysis/{job_id}/stream",
        "/health",
    ),
    Server(
        "starlette + sse-starlette",
        [sys.executable, "-m", "uvicorn", "--port", "{port}", "--log-level", "error", "bench.stream_peers:shared_hub"],
        "/stream/{job_id}",
        "/",
    ),
    Server(
        "flask-sse",
        [
            *[*GUNICORN, "-k", "gevent", "--worker-connections", "20000", "--log-level", "error"],
            *["--no-control-socket", "-b", "127.0.0.1:{port}", "bench.stream_peers:stock"],
        ],
        f"/stream?channel={channel('{job_id}')}",
        "/",
    ),
)


class Row(NamedTuple):
    """connected: clients that came in.  delivered: share of the events of all wanted clients."""

    server: str
    clients: int
    connected: int
    kib_a_client: float
    p50_ms: float
    p99_ms: float
    cpu_percent: float
    redis_connections: int
    delivered: float


@contextmanager
def _process(command: list[str], log: Path, **variables: str) -> Iterator[psutil.Process]:
    with log.open("ab") as output:
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **variables}, stdout=output, stderr=output)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(answers: Callable[[], object], process: psutil.Process) -> None:
    """Until it answers. Raises its last error when it does not, or has ended."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            answers()
        except (httpx.TransportError, redis.ConnectionError):
            if time.monotonic() > deadline or process.status() == psutil.STATUS_ZOMBIE:
                raise
            time.sleep(0.1)
        else:
            return


@contextmanager
def running_database(folder: Path) -> Iterator[Settings]:
    """An embedded Valkey, and settings that reach it."""
    config = replace(read_settings(), data_dir=folder, artifacts_url=str(folder / "artifacts"), redis_url=None)
    config = replace(config, redis_url=choose_address(config))
    variables = {"DATA_DIR": str(folder), "REDIS_URL": ""}
    with _process([sys.executable, "-m", "shared.redis.embedded"], folder / "valkey.log", **variables) as process:
        _wait_for(connect(config, retries=0).ping, process)
        yield config


@contextmanager
def running_server(server: Server, config: Settings) -> Iterator[tuple[psutil.Process, int]]:
    port = free_port()
    command = [part.format(port=port) for part in server.command]
    variables = {"DATA_DIR": str(config.data_dir), "REDIS_URL": str(config.redis_url), "PORT": str(port), **LIMITS}
    with _process(command, config.data_dir / "server.log", **variables) as process:
        _wait_for(lambda: httpx.get(f"http://127.0.0.1:{port}{server.alive}", timeout=5), process)
        yield process, port


class Publisher:
    """Events of all jobs in turn, as workers publish them, each with the time it was sent."""

    def __init__(self, client: redis.Redis, jobs: list[Job]) -> None:
        self._redis, self._jobs, self._number = client, jobs, 0

    def publish(self) -> None:
        job = self._jobs[self._number % len(self._jobs)]
        self._number += 1
        event_id = f"{time.time_ns() // 1_000_000 + 1000}-{self._number}"
        data = {**event_of(job), "sent_at": time.monotonic()}
        self._redis.publish(channel(job.job_id), json.dumps({"id": event_id, "type": "progress", "data": data}))

    def publish_for(self, seconds: float) -> int:
        """How many in all."""
        began = time.monotonic()
        count = int(seconds * EVENTS_PER_S)
        for number in range(count):
            time.sleep(max(0.0, began + number / EVENTS_PER_S - time.monotonic()))
            self.publish()
        return count


def new_jobs(store: JobStore) -> list[Job]:
    return [store.create(new_job(), max_active=10 * JOBS).job for _ in range(JOBS)]


def _family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def pss_kib(process: psutil.Process) -> float:
    return sum(float(each.memory_full_info().pss) for each in _family(process)) / 1024


def _cpu_s(process: psutil.Process) -> float:
    return sum(sum(each.cpu_times()[:2]) for each in _family(process))


def _connections_to(redis_url: str, process: psutil.Process) -> int:
    port = urlsplit(redis_url).port
    found = (each.net_connections("tcp") for each in _family(process))
    return sum(bool(one.raddr) and one.raddr.port == port for connections in found for one in connections)


def _warm_up(port: int, paths: list[str], publisher: Publisher) -> None:
    """What a server loads for its first clients is not theirs."""
    clients = Clients(port, paths)
    clients.open(within_s=10)
    for _ in range(2 * JOBS):
        publisher.publish()
    clients.receive(1.0)
    clients.close()
    for _ in range(2 * JOBS):
        publisher.publish()


def _settle(client: redis.Redis) -> None:
    """Until a server that says nothing before its first event has subscribed for all whom it could."""
    deadline, before, connections = time.monotonic() + SETTLE_WITHIN_S, -1, 0
    while before != connections and time.monotonic() < deadline:
        before = connections
        time.sleep(1.0)
        connections = client.info("clients")["connected_clients"]


def measure(server: Server, count: int, config: Settings) -> Row:
    client = connect(config, retries=0)
    client.flushall()
    jobs = new_jobs(JobStore(client))
    publisher = Publisher(client, jobs)
    paths = [server.path.format(job_id=jobs[number % JOBS].job_id) for number in range(count)]
    with running_server(server, config) as (process, port):
        _warm_up(port, paths[:JOBS], publisher)
        before_kib = pss_kib(process)
        bench, other = multiprocessing.Pipe()
        watching = multiprocessing.get_context("spawn").Process(target=watch, args=(other, port, paths, OPEN_WITHIN_S))
        watching.start()
        try:
            bench.recv()
            _settle(client)
            began, cpu_s = time.monotonic(), _cpu_s(process)
            bench.send(PUBLISH_S + LATE_S)
            published = publisher.publish_for(PUBLISH_S)
            cpu_percent = 100 * (_cpu_s(process) - cpu_s) / (time.monotonic() - began)
            received: Received = bench.recv()
            connections = _connections_to(str(config.redis_url), process)
            kib = (pss_kib(process) - before_kib) / max(1, received.open)
            bench.send(None)
        finally:
            watching.join(30)
            watching.kill()
    delays = sorted(received.delays_s) or [float("nan")]
    return Row(
        server=server.name,
        clients=count,
        connected=received.open,
        kib_a_client=round(kib, 1),
        p50_ms=round(1000 * delays[len(delays) // 2], 1),
        p99_ms=round(1000 * delays[int(0.99 * len(delays))], 1),
        cpu_percent=round(cpu_percent),
        redis_connections=connections,
        delivered=round(len(received.delays_s) / (published * count / JOBS), 4),
    )


def _print(row: Row) -> None:
    print(
        f"{row.server:26} {row.clients:6} clients, {row.connected:6} connected: {row.kib_a_client:6.1f} KiB a client, "
        f"p50 {row.p50_ms:.1f} ms, p99 {row.p99_ms:.1f} ms, {row.cpu_percent:.0f} % CPU, "
        f"{row.redis_connections} Redis connections, {100 * row.delivered:.1f} % delivered",
        flush=True,
    )


def ratios(rows: list[Row]) -> dict[str, float]:
    """Ours beside the best of those that came through whole, at each number of clients."""
    found = {}
    for count in COUNTS:
        ours, *peers = (row for row in rows if row.clients == count)
        whole = [row for row in peers if row.connected == count and row.delivered > 0.999] or peers
        found[f"memory_ratio_{count}"] = round(ours.kib_a_client / min(row.kib_a_client for row in whole), 2)
        found[f"p99_ratio_{count}"] = round(ours.p99_ms / min(row.p99_ms for row in whole), 2)
    return found


def main() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if most != resource.RLIM_INFINITY and most < max(COUNTS) + 1000:
        print(f"ulimit -Hn is {most}: the largest rows can't be had here")
    rows = []
    with tempfile.TemporaryDirectory() as folder, running_database(Path(folder)) as config:
        for count in COUNTS:
            for server in SERVERS:
                rows.append(measure(server, count, config))
                _print(rows[-1])
    print(json.dumps({"bench": "streams", **ratios(rows), "rows": [row._asdict() for row in rows]}))


if __name__ == "__main__":
    main()
