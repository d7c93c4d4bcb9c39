"""Submissions and statuses over kept connections, beside FastAPI with a dict in memory; one web process each.

Ours are durable when they are answered. Nobody works on them: the stack is the web process and Valkey.
"""

import json
import sys
import tempfile
from functools import partial
from pathlib import Path

import httpx

from bench.http_load import Load, load
from bench.streams import Server, running_database, running_server
from shared.redis.connection import connect

CONNECTIONS = (1, 16, 64)
SECONDS = 8.0
WARM_S = 2.0
OURS = Server("klipstream", [sys.executable, "-m", "gunicorn", "-c", "web/gunicorn.conf.py", "web:app"], "", "/health")
PEER = Server(
    "FastAPI, dict",
    [
        *[sys.executable, "-m", "uvicorn", "bench.submission_peer:app", "--port", "{port}"],
        *["--log-level", "error", "--no-access-log"],
    ],
    "",
    "/health",
)


def post(number: int) -> bytes:
    body = json.dumps({"url": f"https://www.twitch.tv/videos/{1_000_000_000 + number}"}).encode()
    head = "POST /api/v1/analysis HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def get(path: str, _number: int) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()


def measure(port: int) -> dict[str, Load]:
    """What each kind of request came to, by its name and the number of connections."""
    load(port, post, connections=4, seconds=WARM_S)
    found, first = {}, 1_000_000
    for connections in CONNECTIONS:
        found[f"submit_{connections}"] = load(port, post, connections=connections, seconds=SECONDS, first=first)
        first += 1_000_000
    body = {"url": f"https://www.twitch.tv/videos/{first}"}
    submitted = httpx.post(f"http://127.0.0.1:{port}/api/v1/analysis", json=body).raise_for_status().json()
    status = partial(get, f"/api/v1/analysis/{submitted['job_id']}")
    for connections in CONNECTIONS:
        found[f"status_{connections}"] = load(port, status, connections=connections, seconds=SECONDS)
    return found


def _print(server: str, found: dict[str, Load]) -> None:
    for name, one in found.items():
        times = f"p50 {one.p50_ms:7.2f} ms  p99 {one.p99_ms:7.2f} ms"
        print(f"{server:14} {name:10} {one.rate:8.0f}/s  {times}  {one.statuses}", flush=True)


def main() -> None:
    rows = {}
    with tempfile.TemporaryDirectory() as folder, running_database(Path(folder)) as config:
        for server in (PEER, OURS):
            connect(config, retries=0).flushall()
            with running_server(server, config) as (_, port):
                rows[server.name] = measure(port)
            _print(server.name, rows[server.name])
    ratios = {name: round(one.rate / rows[PEER.name][name].rate, 3) for name, one in rows[OURS.name].items()}
    print(json.dumps({"bench": "submissions", "ratios": ratios}))


if __name__ == "__main__":
    main()
