"""The services outside go down for a minute one by one, are slow, refuse and lie; under twenty jobs each time.

`OUTAGE_S` sets how long an outage is; the breaker's 60 s are the real ones.
"""

import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from tests.conftest import wait_until
from tests.faults import harm
from tests.faults.conftest import VODS
from tests.faults.services import (
    JOBS,
    SERVICES,
    Made,
    Services,
    ended,
    kept_down,
    made,
    rows_equal_jobs,
    running_services,
    stored,
    submit,
)
from tests.peers.twitch_process import TwitchPeer

OUTAGE_S = float(os.environ.get("OUTAGE_S", "60"))
RESET_S = 60
CAUGHT_UP_S = 120.0
RETRY_AFTER = {"Retry-After": "1"}

# One lie each, so far apart that they are no outage.
TWITCH_LIES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("gql:metadata", {"body": "<html>", "status": 200}),
    ("gql:metadata", {"merge": None}),
    ("gql:metadata", {"body": {"errors": [{"message": "service timeout"}], "data": None}, "status": 200}),
    ("gql:token", {"body": "[]", "status": 200}),
    ("usher:", {"body": "<html>", "status": 200}),
    ("usher:", {"truncate": 0.5}),
    ("playlist:audio_only", {"truncate": 0.5}),
    ("comments:", {"merge": {"video": {"comments": None}}}),
    ("comments:", {"truncate": 0.5}),
    ("segment:", {"truncate": 0.3}),
    ("segment:", {"told": 700}),
    ("segment:", {"body": "", "status": 200}),
)
DEEPGRAM_LIES = ("malformed", "empty", "no words", "half", "other file", "nothing", "late words")


@pytest.fixture(scope="module")
def services(
    peer: TwitchPeer, listener: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Services]:
    with running_services(peer, listener, tmp_path_factory.mktemp("services")) as running:
        yield running


@pytest.fixture(scope="module")
def in_peace(services: Services) -> dict[str, Made]:
    """What each VOD becomes when nothing goes wrong."""
    ids = submit(services)
    jobs = ended(services, ids)
    assert {job["status"] for job in jobs} == {"completed"}, [job["error"] for job in jobs]
    wait_until(lambda: rows_equal_jobs(services, ids), seconds=CAUGHT_UP_S, every=0.5)
    return {vod: made(services, job_id) for vod, job_id in ids.items()}


@pytest.fixture(autouse=True)
def _calm_afterwards(services: Services) -> Iterator[None]:
    yield
    services.calm()


def all_complete(services: Services, ids: dict[str, str], in_peace: dict[str, Made]) -> None:
    """Every job completes, with what it would have made in peace, and its row says so."""
    jobs = ended(services, ids)
    assert {job["status"] for job in jobs} == {"completed"}, [job["error"] for job in jobs]
    wait_until(lambda: rows_equal_jobs(services, ids), seconds=CAUGHT_UP_S, every=0.5)
    assert {vod: made(services, job_id) for vod, job_id in ids.items()} == in_peace


@pytest.mark.parametrize("service", SERVICES)
def test_twenty_jobs_complete_after_a_minute_without(
    services: Services, in_peace: dict[str, Made], figures: dict[str, Any], service: str
) -> None:
    proxy, before, retries = services.proxies[service], services.breaker(service), services.retries()
    cancelled = job_with_files(services)
    proxy.down = True
    began = time.monotonic()
    assert services.api.http.delete(f"/api/v1/analysis/{cancelled}").status_code == 202
    ids = submit(services)
    wait_until(lambda: services.breaker(service).state == "open", seconds=50)
    opened = time.monotonic()
    if service == "twitch":
        kill_who_holds_the_waiting(services, retries)

    kept_down(proxy, began, OUTAGE_S)
    passed = len(proxy.requests)
    wait_until(lambda: services.breaker(service).state == "half-open", seconds=RESET_S + 30)
    others_want_to_call(services, service)
    while_half_open = len(proxy.requests) - passed
    proxy.gate.set()
    came_back = time.monotonic()
    all_complete(services, ids, in_peace)
    wait_until(lambda: not stored(services, cancelled), seconds=60, every=0.5)

    after = services.breaker(service)
    openings, probes = after.openings - before.openings, after.probes - before.probes
    figures |= {
        "outage_s": round(OUTAGE_S, 1),
        "opened_after_s": round(opened - began, 2),
        "openings": openings,
        "probes": probes,
        "calls_while_half_open": while_half_open,
        "hung_up_on": proxy.hung_up,
        "complete_after_s": round(time.monotonic() - came_back, 1),
        "retries": gained(retries, services.retries()),
    }
    assert after.state == "closed"
    assert openings == 1
    assert while_half_open == 1
    if OUTAGE_S <= RESET_S:
        assert probes == 1
    if service == "convex":
        assert not figures["retries"], "a stage waited for Convex"


def kill_who_holds_the_waiting(services: Services, before: dict[str, int]) -> None:
    """The pool in whose memory the messages of all waiting stages are."""
    wait_until(lambda: gained(before, services.retries()).get("download:CIRCUIT_OPEN", 0) >= JOBS, seconds=40)
    pool = harm.workers(services.stack)["download"]
    harm.kill([pool, *harm.family(pool.pid)])


def job_with_files(services: Services) -> str:
    """A job that has begun to store what it made."""
    job_id: str = services.api.submit(VODS[JOBS], force=True)["job_id"]
    wait_until(lambda: bool(stored(services, job_id)), seconds=60)
    return job_id


def others_want_to_call(services: Services, service: str) -> None:
    """Wait until somebody else than the probe had reason to call too."""
    refusals = services.breaker(service).refusals
    if service == "convex":  # one sweep sends all mirrors: nobody is refused while it waits for its probe
        wait_until(lambda: services.mirrors_due() > 1, seconds=8)
    else:
        wait_until(lambda: services.breaker(service).refusals > refusals, seconds=8)


def gained(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    counts = {name: count - before.get(name, 0) for name, count in after.items()}
    return {name: count for name, count in counts.items() if count}


def be_slow(services: Services) -> None:
    """Latency on every request, and some that take longer than we wait."""
    for service, proxy in services.proxies.items():
        proxy.delay_s = 0.01 if service == "gcs" else 0.2  # a job asks the bucket a hundred times
    services.twitch.fault("segment:", times=2, skip=5, stall_s=25)
    services.twitch.fault("comments:", times=1, stall_s=25)
    services.control_deepgram(faults=[{"times": 5, "do": {"slow_s": 6}}])
    services.convex.control("hang", times=3)


def refuse(services: Services) -> None:
    """Every fourth request (of the bucket's many every twelfth): now 503, now 429, each with Retry-After."""
    for service, proxy in services.proxies.items():
        every = 12 if service == "gcs" else 4
        proxy.fail = partial(_is_nth, every)
        proxy.refusal = partial(_now_503_now_429, every)


def _is_nth(every: int, _method: str, _path: str, number: int) -> bool:
    return number % every == 0


def _now_503_now_429(every: int, number: int) -> tuple[int, dict[str, str]]:
    return 503 if number % (2 * every) else 429, RETRY_AFTER


def lie(services: Services) -> None:
    """Answers of status 200 that are not true, or not whole."""
    for number, (match, fault) in enumerate(TWITCH_LIES):
        services.twitch.fault(match, times=1, skip=2 * number, **fault)
    services.control_deepgram(
        faults=[{"skip": 2 * number, "times": 1, "do": {"lie": lie}} for number, lie in enumerate(DEEPGRAM_LIES)]
    )
    services.proxies["gcs"].spoil = damaged()
    services.convex.control("garbage", times=4)


def damaged() -> Callable[[str, str, bytes], bytes]:
    """Every ninth body that is read: one bit turned, cut short, not JSON, or JSON with nothing in it."""
    read = 0

    def spoil(method: str, path: str, body: bytes) -> bytes:
        nonlocal read
        if method != "GET" or not body:
            return body
        read += 1
        if read % 9:
            return body
        turned = bytes([body[0] ^ 1]) + body[1:]
        return [turned, body[: len(body) // 2], b"<html>", b"" if "alt=media" in path else b"{}"][read // 9 % 4]

    return spoil


@pytest.mark.parametrize("misbehave", [be_slow, refuse, lie])
def test_twenty_jobs_complete_and_are_right_while_all_services(
    services: Services, in_peace: dict[str, Made], figures: dict[str, Any], misbehave: Callable[[Services], None]
) -> None:
    before, retries = {name: services.breaker(name) for name in SERVICES}, services.retries()
    began = time.monotonic()
    misbehave(services)

    ids = submit(services)
    all_complete(services, ids, in_peace)

    after = {name: services.breaker(name) for name in SERVICES}
    figures |= {
        "complete_after_s": round(time.monotonic() - began, 1),
        "openings": {name: after[name].openings - before[name].openings for name in SERVICES},
        "retries": gained(retries, services.retries()),
    }
    assert {breaker.state for breaker in after.values()} == {"closed"}
