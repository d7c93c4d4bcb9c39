"""A stack whose four services outside each stand behind a proxy that can be made to fail; and what jobs must become."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import redis
import requests

from shared.redis.connection import connect
from shared.redis.keys import BREAKER, MIRROR_DUE
from tests.acceptance.conftest import TERMINAL, Api, running_stack
from tests.conftest import ROOT, read_settings_for, wait_until
from tests.faults.conftest import VODS
from tests.peers.convex_peer import DEPLOY_KEY, ConvexPeer, running_convex
from tests.peers.flaky import FlakyProxy, running_proxy
from tests.peers.gcs import make_bucket, objects, running_fake_gcs
from tests.peers.twitch_process import TwitchPeer
from web.cli.stack import Stack
from workers.delivery.sweep import now_ms

JOBS = 20
SERVICES = ("twitch", "deepgram", "gcs", "convex")
BUCKET = "klip-files"
MADE_ALIKE = ("audio.m4a", "chat.jsonl", "transcript.json", "timeline.json")
COMPLETE_S = 240.0


class Services(NamedTuple):
    """proxies: by the service's name. deepgram, gcs: the stand-ins' own addresses."""

    stack: Stack
    api: Api
    redis: redis.Redis
    proxies: dict[str, FlakyProxy]
    twitch: TwitchPeer
    deepgram: str
    gcs: str
    convex: ConvexPeer

    def control_deepgram(self, **switches: Any) -> None:
        requests.post(f"{self.deepgram}/_control", json=switches, timeout=10).raise_for_status()

    def calm(self) -> None:
        """Nothing goes wrong any more."""
        for proxy in self.proxies.values():
            proxy.calm()
        self.twitch.control(reset=True, link={})
        self.control_deepgram(reset=True)
        self.convex.control(None)

    def breaker(self, service: str) -> "Breaker":
        """The breaker of the service, or what Twitch's come to: the worst state, and all counts."""
        found = [self.redis.hgetall(str(key)) for key in self.redis.scan_iter(match=f"{BREAKER}{service}*")]
        states = {str(one.get("state", "closed")) for one in found} | {"closed"}
        counts = (sum(int(one.get(name, 0)) for one in found) for name in ("openings", "probes", "refusals"))
        return Breaker(max(states, key=("closed", "open", "half-open").index), *counts)

    def mirrors_due(self) -> int:
        """How many jobs' rows could be sent now."""
        return int(self.redis.zcount(MIRROR_DUE, "-inf", now_ms(self.redis)))

    def retries(self) -> dict[str, int]:
        """How often stages were put off so far, by `STAGE:CODE`."""
        counts: dict[str, int] = self.api.http.get("/api/v1/reliability").raise_for_status().json()["retries"]
        return counts


class Breaker(NamedTuple):
    state: str
    openings: int
    probes: int
    refusals: int


class Made(NamedTuple):
    """What a VOD must become, whatever happened on the way."""

    sha256: dict[str, str]
    highlights: list[Any]
    warnings: list[str]


@contextmanager
def running_services(twitch: TwitchPeer, deepgram: dict[str, str], folder: Path) -> Iterator[Services]:
    """A stack on stand-ins behind proxies, with two more processes that listen, so that several share each breaker."""
    with ExitStack() as stack:
        gcs, convex = stack.enter_context(running_fake_gcs()), stack.enter_context(running_convex())
        make_bucket(gcs, BUCKET)
        behind = {
            "twitch": twitch.base,
            "deepgram": deepgram["DEEPGRAM_BASE_URL"],
            "gcs": gcs,
            "convex": convex.url,
        }
        proxies = {name: stack.enter_context(running_proxy(url)) for name, url in behind.items()}
        settings = {
            **deepgram,
            "DEEPGRAM_BASE_URL": proxies["deepgram"].url,
            "TRANSCRIBER": "deepgram",
            "TWITCH_HOST_MAP": TwitchPeer(proxies["twitch"].url).setting(),
            "ARTIFACTS_URL": f"gs://{BUCKET}/prod",
            "STORAGE_EMULATOR_HOST": proxies["gcs"].url,
            "CONVEX_URL": proxies["convex"].url,
            "CONVEX_DEPLOY_KEY": DEPLOY_KEY,
            "CANCELLED_KEEP_MINUTES": "0",
        }
        running = stack.enter_context(running_stack(folder, **settings))
        client = connect(read_settings_for(folder), retries=1)
        stack.callback(client.close)
        stack.enter_context(_more_listeners(folder, settings))
        api = stack.enter_context(Api(running.url))
        yield Services(running, api, client, proxies, twitch, behind["deepgram"], gcs, convex)


@contextmanager
def _more_listeners(folder: Path, settings: dict[str, str]) -> Iterator[None]:
    command = [sys.executable, "-m", "celery", "-A", "workers.app", "worker", "-Q", "transcription", "-c", "2"]
    environment = {**os.environ, **settings, "DATA_DIR": str(folder)}
    with (folder / "logs" / "worker-more.log").open("ab") as log:
        process = subprocess.Popen([*command, "-n", "more@%h"], env=environment, cwd=ROOT, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def submit(services: Services) -> dict[str, str]:
    """A new job for each of twenty VODs: job ids by VOD."""
    options = {"clips": False, "highlights": 3}
    return {vod: services.api.submit(vod, force=True, options=options)["job_id"] for vod in VODS[:JOBS]}


def ended(services: Services, ids: dict[str, str]) -> list[dict[str, Any]]:
    """The jobs once they have all ended."""
    left = set(ids.values())

    def all_ended() -> bool:
        left.difference_update([job_id for job_id in left if services.api.job(job_id)["status"] in TERMINAL])
        return not left

    wait_until(all_ended, seconds=COMPLETE_S, every=0.5)
    return [services.api.job(job_id) for job_id in ids.values()]


def made(services: Services, job_id: str) -> Made:
    results = services.api.results(job_id)
    manifest = services.api.http.get(f"/api/v1/analysis/{job_id}/files/manifest.json").raise_for_status().json()
    sums = {name: manifest["files"][name]["sha256"] for name in MADE_ALIKE}
    return Made(sums, results["highlights"], results["warnings"])


def stored(services: Services, job_id: str) -> list[str]:
    """What lies in the bucket for a job."""
    return [name for name in objects(services.gcs, BUCKET) if f"/{job_id}/" in name]


def rows_equal_jobs(services: Services, ids: dict[str, str]) -> bool:
    """Whether the frontend shows the end of each job."""
    rows = {row.get("jobId"): row for row in services.convex.rows()}
    shown = [rows.get(job_id, {}) for job_id in ids.values()]
    return all((row.get("status"), row.get("progressPercentage")) == ("Completed", 100) for row in shown)


def kept_down(proxy: FlakyProxy, began: float, seconds: float) -> None:
    """Wait until the outage that began then (monotonic) has lasted so long; end it with the proxy's gate closed."""
    wait_until(lambda: time.monotonic() - began >= seconds, seconds=seconds + 1)
    proxy.gate.clear()
    proxy.down = False
