"""Twitch's circuit breaker around the real source and the stand-in: what counts as its failure, and who may ask."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from shared.errors import ChatUnavailable, CircuitOpen, ExternalServiceError, KlipError
from shared.progress import silent
from shared.redis import keys
from shared.redis.breaker import FAIL_MAX, Breakers, CircuitBreaker
from shared.redis.store import JobStore
from tests.conftest import wait_until
from tests.peers.flaky import running_proxy
from tests.peers.twitch import WEB_CLIENT
from tests.peers.twitch_process import TwitchPeer, running_twitch
from workers.download.chat_pages import CURSOR_CLIENT_ID

SECONDS = 60
AT_ONCE = 6


@pytest.fixture(scope="module")
def running() -> Iterator[TwitchPeer]:
    with running_twitch() as peer:
        yield peer


@pytest.fixture
def twitch(running: TwitchPeer) -> TwitchPeer:
    running.fresh(seconds=SECONDS)
    return running


@pytest.fixture
def guard(store: JobStore) -> CircuitBreaker:
    return Breakers(store.redis).of("twitch")


def probe_is_due(guard: CircuitBreaker, store: JobStore) -> None:
    """Turn the clock: the breaker opened long ago."""
    store.redis.hset(keys.breaker(guard.service), "opened_at", 0)


def describe(twitch: TwitchPeer, guard: CircuitBreaker) -> None:
    twitch.source(call=guard).describe()


def open_up(twitch: TwitchPeer, guard: CircuitBreaker) -> None:
    twitch.fault("gql:metadata", status=503)
    with suppress(ExternalServiceError):
        describe(twitch, guard)
    twitch.control(reset=True)
    assert guard.is_open()


@pytest.mark.parametrize("broken", ["gql:metadata", "gql:token", "usher:", "playlist:"])
def test_no_more_than_five_requests_of_one_kind_reach_a_service_that_is_down(
    twitch: TwitchPeer, guard: CircuitBreaker, broken: str
) -> None:
    twitch.fault(broken, status=503)

    for _ in range(3):
        with pytest.raises(KlipError):
            describe(twitch, guard)

    assert guard.is_open()
    # streamlink asks for the playlist of each rendition in one go.
    assert max(twitch.asked(broken).values()) == FAIL_MAX
    with pytest.raises(CircuitOpen):
        twitch.source(call=guard).fetch_part(0, 1, work=Path("nowhere"))


def test_retries_of_several_segments_at_once_stop_at_the_open_breaker(
    twitch: TwitchPeer, guard: CircuitBreaker, tmp_path: Path
) -> None:
    twitch.fault("segment:", status=502)
    source = twitch.source(call=guard, segments_at_once=AT_ONCE)

    with pytest.raises(CircuitOpen):
        source.fetch_sound(tmp_path / "a.m4a", work=tmp_path, progress=silent)

    assert sum(twitch.asked("segment:").values()) < FAIL_MAX + AT_ONCE


def test_a_fetch_that_met_the_open_breaker_goes_on_where_it_stopped(
    twitch: TwitchPeer, guard: CircuitBreaker, store: JobStore, tmp_path: Path
) -> None:
    twitch.fault("segment:", skip=8, status=502)
    with pytest.raises(CircuitOpen):
        twitch.source(call=guard).fetch_sound(tmp_path / "a.m4a", work=tmp_path, progress=silent)
    twitch.control(reset=True)
    probe_is_due(guard, store)

    sound = twitch.source(call=guard).fetch_sound(tmp_path / "a.m4a", work=tmp_path, progress=silent)

    assert sound.duration_seconds == pytest.approx(SECONDS, abs=0.1)
    assert sound.warnings == ()
    assert not guard.is_open()


@pytest.mark.parametrize("status", [403, 404])
def test_segments_that_are_gone_are_no_failure_of_the_service(
    twitch: TwitchPeer, guard: CircuitBreaker, tmp_path: Path, status: int
) -> None:
    twitch.fresh(seconds=SECONDS, missing=list(range(4, 4 + 2 * FAIL_MAX)), missing_status=status)

    sound = twitch.source(call=guard).fetch_sound(tmp_path / "a.m4a", work=tmp_path, progress=silent)

    assert f"{2 * FAIL_MAX} of" in sound.warnings[0]
    assert not guard.is_open()


@pytest.mark.parametrize("access", ["private", "subscribers", "deleted"])
def test_a_video_that_twitch_refuses_is_no_failure_of_the_service(
    twitch: TwitchPeer, guard: CircuitBreaker, access: str
) -> None:
    twitch.fresh(seconds=SECONDS, access=access)
    for _ in range(FAIL_MAX + 1):
        with pytest.raises(KlipError):
            describe(twitch, guard)

    assert not guard.is_open()


def test_one_request_of_all_that_wait_is_the_probe(twitch: TwitchPeer, guard: CircuitBreaker, store: JobStore) -> None:
    open_up(twitch, guard)
    probe_is_due(guard, store)
    refusals_before = int(store.redis.hget(keys.breaker("twitch"), "refusals") or 0)

    with running_proxy(twitch.base) as proxy, ThreadPoolExecutor(8) as pool:
        proxy.gate.clear()
        asked = [pool.submit(describe, TwitchPeer(proxy.url), guard) for _ in range(8)]
        wait_until(lambda: sum(task.done() for task in asked) == 7, seconds=30)
        assert len(proxy.requests) == 1
        assert guard.is_open()
        proxy.gate.set()
        outcomes = [type(task.exception()) for task in asked]

    assert outcomes.count(CircuitOpen) == 7
    assert outcomes.count(type(None)) == 1
    assert int(store.redis.hget(keys.breaker("twitch"), "refusals") or 0) == refusals_before + 7
    assert store.redis.hget(keys.breaker("twitch"), "probes") == "1"
    assert not guard.is_open()


def test_a_cancelled_fetch_neither_opens_nor_closes_it(
    twitch: TwitchPeer, guard: CircuitBreaker, store: JobStore, tmp_path: Path
) -> None:
    source = twitch.source(call=guard, segments_at_once=1)
    twitch.control(link={"bytes_per_s": 20_000})
    probing = threading.Event()

    def stop_while_probing(_fraction: float) -> None:
        if sum(twitch.asked("segment:").values()) == 1 and not probing.is_set():
            # The segment on its way began with a closed breaker; what it says comes too late.
            store.redis.hset(keys.breaker("twitch"), mapping={"state": "half-open", "failures": FAIL_MAX})
            probing.set()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        source.fetch_sound(tmp_path / "a.m4a", work=tmp_path, progress=stop_while_probing)
    wait_until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("segment")])

    assert store.redis.hgetall(keys.breaker("twitch"))["failures"] == str(FAIL_MAX)
    assert guard.is_open()


def fetch_chat(twitch: TwitchPeer, guard: CircuitBreaker, folder: Path) -> Any:
    return twitch.source(call=guard).fetch_chat(folder / "chat.jsonl", work=folder, progress=silent)


@pytest.mark.parametrize("fault", [{"status": 503}, {"truncate": 0.5}, {"body": "<html>", "status": 200}])
def test_an_outage_is_never_taken_for_a_video_without_chat(
    twitch: TwitchPeer, guard: CircuitBreaker, tmp_path: Path, fault: dict[str, Any]
) -> None:
    twitch.fault("comments:", **fault)

    with pytest.raises(KlipError) as first:
        fetch_chat(twitch, guard, tmp_path)
    with pytest.raises(CircuitOpen):
        fetch_chat(twitch, guard, tmp_path)

    assert not isinstance(first.value, ChatUnavailable)
    assert not (tmp_path / "chat.jsonl").exists()


def test_a_client_id_that_may_not_page_is_no_failure_of_the_service(
    twitch: TwitchPeer, guard: CircuitBreaker, tmp_path: Path
) -> None:
    twitch.fresh(seconds=SECONDS, comments=600)
    twitch.control(integrity=[WEB_CLIENT, CURSOR_CLIENT_ID])

    summary = fetch_chat(twitch, guard, tmp_path)

    assert summary.messages > 0
    assert not guard.is_open()


def test_a_chat_that_no_client_may_ask_for_is_unavailable(
    twitch: TwitchPeer, guard: CircuitBreaker, tmp_path: Path
) -> None:
    refusal = {"errors": [{"message": "failed integrity check"}], "data": None}
    twitch.fault("comments:", body=refusal, status=200)

    with pytest.raises(ChatUnavailable):
        fetch_chat(twitch, guard, tmp_path)

    assert sum(twitch.asked("comments:").values()) == 2
    assert not guard.is_open()
