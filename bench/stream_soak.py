"""2 000 clients for five minutes, of which 100 stop reading and 100 vanish: memory, delay, who is left at the end."""

import json
import multiprocessing
import re
import resource
import socket
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil

from bench.stream_clients import watch
from bench.streams import JOBS, OPEN_WITHIN_S, SERVERS, Publisher, new_jobs, pss_kib, running_database, running_server
from shared.redis.connection import connect
from shared.redis.store import JobStore
from tests.integration.stream_clients import vanish

HEALTHY, FROZEN, GONE = 1_800, 100, 100
ROUNDS, ROUND_S = 10, 30.0
LATE_S = 1.0
LEAVE_WITHIN_S = 60.0


class Soak(NamedTuple):
    """pss_mib: of the server at the start and after each round.  left: streams left when all are gone."""

    connected: int
    delivered: float
    p50_ms: float
    p99_ms: float
    worst_ms: float
    pss_mib: list[float]
    left: int
    gone_after_s: float


def _silent_client(port: int, path: str) -> socket.socket:
    """Past the beginning of its stream, with a small window; nothing is read any more."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
    client.recv(1024)
    return client


def _streams(port: int) -> int:
    found = re.search(r"^klip_streams (\d+)", httpx.get(f"http://127.0.0.1:{port}/metrics").text, re.MULTILINE)
    assert found
    return int(found[1])


def _pss_mib(process: psutil.Process) -> float:
    return round(pss_kib(process) / 1024, 1)


def _emptied(port: int) -> tuple[int, float]:
    """Streams that are left, and the seconds until there was none."""
    began = time.monotonic()
    while (left := _streams(port)) and time.monotonic() - began < LEAVE_WITHIN_S:
        time.sleep(0.5)
    return left, round(time.monotonic() - began, 1)


def soak(process: psutil.Process, port: int, paths: list[str], publisher: Publisher) -> Soak:
    bench, other = multiprocessing.Pipe()
    healthy = [paths[number % JOBS] for number in range(HEALTHY)]
    watching = multiprocessing.get_context("spawn").Process(target=watch, args=(other, port, healthy, OPEN_WITHIN_S))
    watching.start()
    frozen: list[socket.socket] = []
    delays_s: list[float] = []
    published = 0
    try:
        connected = bench.recv()
        frozen = [_silent_client(port, paths[number % JOBS]) for number in range(FROZEN)]
        for number in range(GONE):
            vanish(_silent_client(port, paths[number % JOBS]))
        pss_mib = [_pss_mib(process)]
        for _ in range(ROUNDS):
            bench.send(ROUND_S + LATE_S)
            published += publisher.publish_for(ROUND_S)
            received = bench.recv()
            delays_s += received.delays_s
            pss_mib.append(_pss_mib(process))
            print(f"{received.open} follow, {_streams(port)} streams, {pss_mib[-1]} MiB", flush=True)
        bench.send(None)
    finally:
        for client in frozen:
            client.close()
        watching.join(30)
        watching.kill()
    left, gone_after_s = _emptied(port)
    delays_s.sort()
    return Soak(
        connected,
        round(len(delays_s) / (published * HEALTHY / JOBS), 4),
        round(1000 * delays_s[len(delays_s) // 2], 1),
        round(1000 * delays_s[int(0.99 * len(delays_s))], 1),
        round(1000 * delays_s[-1], 1),
        pss_mib,
        left,
        gone_after_s,
    )


def main() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as folder, running_database(Path(folder)) as config:
        client = connect(config, retries=0)
        jobs = new_jobs(JobStore(client))
        server = SERVERS[0]
        with running_server(server, config) as (process, port):
            paths = [server.path.format(job_id=job.job_id) for job in jobs]
            found = soak(process, port, paths, Publisher(client, jobs))
    print(json.dumps({"bench": "stream_soak", **found._asdict()}))


if __name__ == "__main__":
    main()
