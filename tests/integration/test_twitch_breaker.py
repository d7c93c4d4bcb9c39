"""Twitch's circuit breaker around the real source and the stand-in: what counts as its failure, and who may ask."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from shared.errors import ChatUnavailable, CircuitOpen, ExternalServiceError, KlipError
from shared.net.retry import RetryPolicy
from shared.progress import silent
from shared.redis import keys
from shared.redis.breaker import FAIL_MAX, Breakers
from shared.redis.store import JobStore
from tests.conftest import wait_until
from tests.peers.flaky import running_proxy
from tests.peers.twitch import CDN_HOST, WEB_CLIENT
from tests.peers.twitch_process import TwitchPeer, running_twitch
from workers.download.chat_pages import CURSOR_CLIENT_ID
from workers.download.graphql import BREAKER as GRAPHQL
from workers.download.twitch import TwitchSource

USHER = "twitch:usher"
CDN = f"twitch:cdn:{CDN_HOST}"
SECONDS = 60
AT_ONCE = 6
STEADY = RetryPolicy(attempts=8, base_s=0.3, cap_s=0.3, kind="fixed")


@pytest.fixture(scope="module")
def running() -> Iterator[TwitchPeer]:
    with running_twitch() as peer:
        yield peer


@pytest.fixture
def twitch(running: TwitchPeer) -> TwitchPeer:
    running.fresh(seconds=SECONDS)
    return running


@pytest.fixture(autouse=True)
def _every_failure_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turn the clock: a second passes between any two requests."""
    monkeypatch.setattr("shared.redis.breaker.COUNTS_EVERY_S", 0.0)


@pytest.fixture
def breakers(store: JobStore) -> Breakers:
    return Breakers(store.redis)


def probe_is_due(store: JobStore, service: str) -> None:
    """Turn the clock: the breaker opened long ago."""
    store.redis.hset(keys.breaker(service), "opened_at", 0)


def is_open(breakers: Breakers, service: str) -> bool:
    return breakers.of(service, about="anything").is_open()


def none_is_open(breakers: Breakers) -> bool:
    return not any(is_open(breakers, service) for service in (GRAPHQL, USHER, CDN))


def source(twitch: TwitchPeer, breakers: Breakers, vod: str = "42", **options: Any) -> TwitchSource:
    return twitch.source(vod, calls=breakers.about(f"vod:{vod}"), **options)


def describe(twitch: TwitchPeer, breakers: Breakers, vod: str = "42") -> None:
    source(twitch, breakers, vod).describe()


def fetch_sound(twitch: TwitchPeer, breakers: Breakers, folder: Path, vod: str = "42", **options: Any) -> Any:
    work = folder / vod
    work.mkdir(exist_ok=True)
    return source(twitch, breakers, vod, **options).fetch_sound(work / "a.m4a", work=work, progress=silent)


def open_up(twitch: TwitchPeer, breakers: Breakers) -> None:
    twitch.fault("gql:metadata", status=503)
    with suppress(ExternalServiceError):
        describe(twitch, breakers)
    twitch.control(reset=True)
    assert is_open(breakers, GRAPHQL)


@pytest.mark.parametrize(("broken", "service"), [("gql:metadata", GRAPHQL), ("gql:token", GRAPHQL), ("usher:", USHER)])
def test_no_more_than_five_requests_of_one_kind_reach_a_service_that_is_down(
    twitch: TwitchPeer, breakers: Breakers, broken: str, service: str
) -> None:
    twitch.fault(broken, status=503)

    for _ in range(3):
        with pytest.raises(KlipError):
            describe(twitch, breakers)

    assert is_open(breakers, service)
    assert max(twitch.asked(broken).values()) == FAIL_MAX
    with pytest.raises(CircuitOpen):
        describe(twitch, breakers)


@pytest.mark.parametrize("broken", ["playlist:", "segment:"])
@pytest.mark.parametrize("fault", [{"status": 500}, {"truncate": 0.5, "told": 100}])
def test_what_fails_of_one_vod_alone_closes_twitch_to_nobody(
    twitch: TwitchPeer, breakers: Breakers, tmp_path: Path, broken: str, fault: dict[str, Any]
) -> None:
    twitch.fault(broken, **fault)

    for _ in range(3):
        with pytest.raises(KlipError) as failed:
            fetch_sound(twitch, breakers, tmp_path)
        assert not isinstance(failed.value, CircuitOpen)

    assert none_is_open(breakers)


def fail_together(twitch: TwitchPeer, breakers: Breakers, folder: Path) -> list[BaseException | None]:
    """What becomes of the sound of two VODs that are fetched at once."""
    twitch.control(vods=[{"id": "43", "seconds": SECONDS}])
    with ThreadPoolExecutor(2) as pool:
        options = {"segments_at_once": AT_ONCE, "segment_retry": STEADY, "retry": STEADY}
        both = [pool.submit(fetch_sound, twitch, breakers, folder, vod, **options) for vod in ("42", "43")]
        return [one.exception() for one in both]


@pytest.mark.parametrize("broken", ["playlist:", "segment:"])
def test_what_fails_of_two_vods_is_the_cdns(
    twitch: TwitchPeer, breakers: Breakers, tmp_path: Path, broken: str
) -> None:
    twitch.fault(broken, status=502)

    assert CircuitOpen in {type(error) for error in fail_together(twitch, breakers, tmp_path)}

    assert is_open(breakers, CDN)
    assert not is_open(breakers, GRAPHQL)
    before = sum(twitch.asked("segment:").values())
    for vod in ("42", "43"):
        with pytest.raises(CircuitOpen):
            fetch_sound(twitch, breakers, tmp_path, vod)
    assert sum(twitch.asked("segment:").values()) == before


def test_usher_that_fails_for_one_vod_and_serves_another_stays_closed(twitch: TwitchPeer, breakers: Breakers) -> None:
    twitch.control(vods=[{"id": "43", "seconds": SECONDS}])
    describe(twitch, breakers, "43")
    twitch.fault("usher:42", status=500)

    for _ in range(3):
        with pytest.raises(ExternalServiceError):
            describe(twitch, breakers)

    assert none_is_open(breakers)
    describe(twitch, breakers, "43")


def test_a_fetch_that_met_the_open_breaker_goes_on_where_it_stopped(
    twitch: TwitchPeer, breakers: Breakers, store: JobStore, tmp_path: Path
) -> None:
    twitch.fault("segment:", skip=16, status=502)
    assert all(fail_together(twitch, breakers, tmp_path))
    assert is_open(breakers, CDN)
    twitch.control(reset=True)
    probe_is_due(store, CDN)

    sound = fetch_sound(twitch, breakers, tmp_path)

    assert sound.duration_seconds == pytest.approx(SECONDS, abs=0.1)
    assert sound.warnings == ()
    assert sum(twitch.asked("segment:").values()) < SECONDS // 2, "all of it was fetched again"
    assert none_is_open(breakers)


@pytest.mark.parametrize("status", [403, 404])
def test_segments_that_are_gone_are_no_failure_of_the_service(
    twitch: TwitchPeer, breakers: Breakers, tmp_path: Path, status: int
) -> None:
    twitch.fresh(seconds=SECONDS, missing=list(range(4, 4 + 2 * FAIL_MAX)), missing_status=status)

    sound = fetch_sound(twitch, breakers, tmp_path)

    assert f"{2 * FAIL_MAX} of" in sound.warnings[0]
    assert none_is_open(breakers)


@pytest.mark.parametrize("access", ["private", "subscribers", "deleted"])
def test_a_video_that_twitch_refuses_is_no_failure_of_the_service(
    twitch: TwitchPeer, breakers: Breakers, access: str
) -> None:
    twitch.fresh(seconds=SECONDS, access=access)
    for _ in range(FAIL_MAX + 1):
        with pytest.raises(KlipError):
            describe(twitch, breakers)

    assert none_is_open(breakers)


def test_one_request_of_all_that_wait_is_the_probe(twitch: TwitchPeer, breakers: Breakers, store: JobStore) -> None:
    open_up(twitch, breakers)
    probe_is_due(store, GRAPHQL)
    refusals_before = int(store.redis.hget(keys.breaker(GRAPHQL), "refusals") or 0)

    with running_proxy(twitch.base) as proxy, ThreadPoolExecutor(8) as pool:
        proxy.gate.clear()
        asked = [pool.submit(describe, TwitchPeer(proxy.url), breakers) for _ in range(8)]
        wait_until(lambda: sum(task.done() for task in asked) == 7, seconds=30)
        assert len(proxy.requests) == 1
        assert is_open(breakers, GRAPHQL)
        proxy.gate.set()
        outcomes = [type(task.exception()) for task in asked]

    assert outcomes.count(CircuitOpen) == 7
    assert outcomes.count(type(None)) == 1
    assert int(store.redis.hget(keys.breaker(GRAPHQL), "refusals") or 0) == refusals_before + 7
    assert store.redis.hget(keys.breaker(GRAPHQL), "probes") == "1"
    assert none_is_open(breakers)


def test_a_cancelled_fetch_neither_opens_nor_closes_it(
    twitch: TwitchPeer, breakers: Breakers, store: JobStore, tmp_path: Path
) -> None:
    twitch.control(link={"bytes_per_s": 20_000})
    probing = threading.Event()

    def stop_while_probing(_fraction: float) -> None:
        if sum(twitch.asked("segment:").values()) == 1 and not probing.is_set():
            # The segment on its way began with a closed breaker; what it says comes too late.
            store.redis.hset(keys.breaker(CDN), mapping={"state": "half-open", "failures": FAIL_MAX})
            probing.set()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        source(twitch, breakers, segments_at_once=1).fetch_sound(
            tmp_path / "a.m4a", work=tmp_path, progress=stop_while_probing
        )
    wait_until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("segment")])

    assert store.redis.hgetall(keys.breaker(CDN))["failures"] == str(FAIL_MAX)
    assert is_open(breakers, CDN)


def fetch_chat(twitch: TwitchPeer, breakers: Breakers, folder: Path) -> Any:
    return source(twitch, breakers).fetch_chat(folder / "chat.jsonl", work=folder, progress=silent)


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 503},
        {"truncate": 0.5},
        {"body": "<html>", "status": 200},
        {"merge": None},
        {"merge": {"video": {"comments": None}}},
    ],
)
def test_pages_that_cannot_be_had_are_neither_taken_for_no_chat_nor_for_an_outage(
    twitch: TwitchPeer, breakers: Breakers, tmp_path: Path, fault: dict[str, Any]
) -> None:
    twitch.fault("comments:", **fault)

    for _ in range(3):
        with pytest.raises(KlipError) as failed:
            fetch_chat(twitch, breakers, tmp_path)
        assert not isinstance(failed.value, ChatUnavailable | CircuitOpen)

    assert none_is_open(breakers)
    assert not (tmp_path / "chat.jsonl").exists()


def test_a_client_id_that_may_not_page_is_no_failure_of_the_service(
    twitch: TwitchPeer, breakers: Breakers, tmp_path: Path
) -> None:
    twitch.fresh(seconds=SECONDS, comments=600)
    twitch.control(integrity=[WEB_CLIENT, CURSOR_CLIENT_ID])

    summary = fetch_chat(twitch, breakers, tmp_path)

    assert summary.messages > 0
    assert none_is_open(breakers)


def test_a_chat_that_no_client_may_ask_for_is_unavailable(
    twitch: TwitchPeer, breakers: Breakers, tmp_path: Path
) -> None:
    refusal = {"errors": [{"message": "failed integrity check"}], "data": None}
    twitch.fault("comments:", body=refusal, status=200)

    with pytest.raises(ChatUnavailable):
        fetch_chat(twitch, breakers, tmp_path)

    assert sum(twitch.asked("comments:").values()) == 2
    assert none_is_open(breakers)
