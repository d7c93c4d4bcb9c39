"""The circuit breaker on a real Valkey, shared by threads and by clients as by workers."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
import redis
import requests
from structlog.testing import capture_logs

from shared.errors import Cancelled, CircuitOpen, ConnectionFailed, FileMissing, StorageServiceError
from shared.redis import keys
from shared.redis.breaker import (
    COUNTS_EVERY_S,
    FAIL_MAX,
    OTHERS_FIRST_S,
    Breakers,
    CircuitBreaker,
)
from shared.redis.connection import connect
from shared.redis.store import JobStore
from shared.settings import Settings
from tests.conftest import wait_until
from web.queues import reliability_figures

RESET_S = 0.3
SERVICE = "gcs"


def failing() -> str:
    raise StorageServiceError


def working() -> str:
    return "fine"


def fail(guard: CircuitBreaker, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(StorageServiceError):
            guard(failing)


def seconds_pass(client: redis.Redis) -> None:
    """Turn the clock: what failed so far did so a while ago."""
    evidence = keys.breaker_evidence(SERVICE)
    for about, at in client.hgetall(evidence).items():
        client.hset(evidence, about, float(at) - 1000 * COUNTS_EVERY_S)


def fail_for_seconds(guard: CircuitBreaker, client: redis.Redis, times: int) -> None:
    for _ in range(times):
        fail(guard)
        seconds_pass(client)


def open_up(client: redis.Redis) -> None:
    """Five jobs fail once each."""
    for number in range(FAIL_MAX):
        fail(Breakers(client).of(SERVICE, about=f"failed{number}"))


def guard_of(client: redis.Redis, about: str = "job", *, shared: bool = False) -> CircuitBreaker:
    return Breakers(client).of(SERVICE, about=about, shared=shared)


def is_open(client: redis.Redis) -> bool:
    return guard_of(client).is_open()


def probe_is_due(client: redis.Redis) -> None:
    """Turn the clock: the breaker opened long ago."""
    client.hset(keys.breaker(SERVICE), "opened_at", 0)


@pytest.fixture
def other(config: Settings) -> Iterator[redis.Redis]:
    client = connect(config, retries=0)
    yield client
    client.connection_pool.disconnect()
    client.close()


def refused(guard: CircuitBreaker, work: Callable[[], str] = working) -> CircuitOpen:
    with pytest.raises(CircuitOpen) as raised:
        guard(work)
    return raised.value


# --- what is evidence -------------------------------------------------------------------------------------------------


def test_five_failures_in_a_row_open_it_for_every_worker(store: JobStore, other: redis.Redis) -> None:
    open_up(store.redis)

    error = refused(guard_of(other))

    assert 58 < (error.retry_after_s or 0) <= 60
    assert not error.alone
    assert is_open(other)
    assert Breakers(other).of("deepgram", about="job")(working) == "fine"


def test_two_jobs_are_enough(store: JobStore) -> None:
    one, two = guard_of(store.redis, "one"), guard_of(store.redis, "two")
    fail(two)
    fail_for_seconds(one, store.redis, FAIL_MAX - 2)
    assert not is_open(store.redis)

    fail(one)

    assert is_open(store.redis)


def test_what_fails_for_one_job_alone_stays_that_jobs_own(store: JobStore) -> None:
    fail_for_seconds(guard_of(store.redis, "sick"), store.redis, 4 * FAIL_MAX)

    assert not is_open(store.redis)
    assert guard_of(store.redis, "healthy")(working) == "fine"


def test_requests_of_a_job_that_fail_together_count_once(store: JobStore) -> None:
    for about in ("one", "two"):
        fail(guard_of(store.redis, about), times=3 * FAIL_MAX)

    assert not is_open(store.redis)
    assert store.redis.hget(keys.breaker(SERVICE), "failures") == "2"


def test_one_job_is_enough_on_calls_that_any_job_makes(store: JobStore) -> None:
    guard = guard_of(store.redis, "only", shared=True)
    fail_for_seconds(guard, store.redis, FAIL_MAX)

    assert is_open(store.redis)
    assert refused(guard).alone


def test_what_failed_for_one_job_only_is_tried_at_once_by_the_next(store: JobStore) -> None:
    sick = guard_of(store.redis, "sick", shared=True)
    fail_for_seconds(sick, store.redis, FAIL_MAX)

    assert guard_of(store.redis, "healthy")(working) == "fine"
    assert not is_open(store.redis)

    fail_for_seconds(sick, store.redis, FAIL_MAX)
    fail(guard_of(store.redis, "another"))
    assert 58 < (refused(guard_of(store.redis, "a third")).retry_after_s or 0) <= 60


def test_one_job_is_not_enough_when_another_was_just_served(store: JobStore) -> None:
    guard_of(store.redis, "another", shared=True)(working)

    fail_for_seconds(guard_of(store.redis, "only", shared=True), store.redis, 2 * FAIL_MAX)

    assert not is_open(store.redis)


def test_that_it_was_served_itself_before_does_not_speak_for_the_service(store: JobStore) -> None:
    guard = guard_of(store.redis, "only", shared=True)
    guard(working)

    fail_for_seconds(guard, store.redis, FAIL_MAX)

    assert is_open(store.redis)


def test_a_connection_that_cannot_be_made_is_a_call_that_any_job_makes(store: JobStore) -> None:
    guard = guard_of(store.redis, "only")

    def nobody_listens() -> None:
        try:
            requests.get("http://127.0.0.1:1/", timeout=5)
        except requests.RequestException as error:
            raise ConnectionFailed from error

    for _ in range(FAIL_MAX):
        with pytest.raises(ConnectionFailed):
            guard(nobody_listens)
        seconds_pass(store.redis)

    assert is_open(store.redis)


def test_a_success_in_between_starts_the_count_again(store: JobStore) -> None:
    for _ in range(3):
        for number in range(FAIL_MAX - 1):
            fail(guard_of(store.redis, f"job{number}"))
        assert guard_of(store.redis)(working) == "fine"

    assert store.redis.hget(keys.breaker(SERVICE), "failures") == "0"


def test_a_refusal_shows_that_the_service_works(store: JobStore) -> None:
    def refusing() -> str:
        raise FileMissing

    for number in range(2 * FAIL_MAX):
        with pytest.raises(FileMissing):
            guard_of(store.redis, f"job{number}")(refusing)
    assert not is_open(store.redis)


# --- open, and half open ----------------------------------------------------------------------------------------------


def test_half_open_lets_one_call_through_across_all_workers(store: JobStore, other: redis.Redis) -> None:
    open_up(store.redis)
    probe_is_due(store.redis)
    inside, leave = threading.Event(), threading.Event()
    answers: list[str] = []

    def slow() -> str:
        inside.set()
        leave.wait(10)
        return "probed"

    probe = threading.Thread(target=lambda: answers.append(guard_of(store.redis)(slow)))
    probe.start()
    inside.wait(10)

    refused(guard_of(other))
    refused(guard_of(store.redis))
    leave.set()
    probe.join(10)

    assert answers == ["probed"]
    assert guard_of(other)(working) == "fine"
    assert not store.redis.exists(keys.breaker_probe(SERVICE))


def test_a_probe_keeps_its_turn_for_as_long_as_it_takes(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.redis.breaker.PROBE_S", 0.4)
    open_up(store.redis)
    probe_is_due(store.redis)
    began = time.monotonic()

    def slow() -> str:
        wait_until(lambda: bool(refused(guard_of(store.redis, "another"))) and time.monotonic() - began > 2, every=0.02)
        return "probed"

    assert guard_of(store.redis)(slow) == "probed"
    assert store.redis.hget(keys.breaker(SERVICE), "probes") == "1"


def test_a_probe_whose_process_died_is_followed_by_another(store: JobStore) -> None:
    open_up(store.redis)
    store.redis.hset(keys.breaker(SERVICE), mapping={"state": "half-open", "probe_at": 0})

    assert guard_of(store.redis)(working) == "fine"
    assert not is_open(store.redis)


def test_the_others_wait_as_long_again_as_the_probe_has_taken(store: JobStore) -> None:
    guard = guard_of(store.redis)
    open_up(store.redis)
    probe_is_due(store.redis)

    def slow() -> str:
        began = float(store.redis.hget(keys.breaker(SERVICE), "probe_at") or 0)
        store.redis.hset(keys.breaker(SERVICE), "probe_at", began - 30_000)  # turn the clock
        assert 30 <= (refused(guard).retry_after_s or 0) < 40
        return "probed"

    assert guard(slow) == "probed"


def test_who_has_failed_probes_only_when_nobody_else_does(store: JobStore) -> None:
    open_up(store.redis)
    store.redis.hincrby(keys.breaker(SERVICE), "opened_at", -60_000)  # turn the clock: the probe has just become due

    sick = refused(guard_of(store.redis, "failed0"))
    assert 0 < (sick.retry_after_s or 0) <= OTHERS_FIRST_S
    assert guard_of(store.redis, "healthy")(working) == "fine"
    assert not is_open(store.redis)


def test_who_has_failed_probes_when_nobody_else_has(store: JobStore) -> None:
    open_up(store.redis)
    probe_is_due(store.redis)

    assert guard_of(store.redis, "failed0")(working) == "fine"


def test_a_failed_probe_leaves_it_open_for_another_minute(store: JobStore) -> None:
    open_up(store.redis)
    probe_is_due(store.redis)

    fail(guard_of(store.redis))

    assert (refused(guard_of(store.redis, "another")).retry_after_s or 0) > 58


def test_it_probes_by_itself_when_the_time_has_passed(store: JobStore) -> None:
    guard = CircuitBreaker(store.redis, SERVICE, about="job", reset_s=RESET_S)
    open_up(store.redis)

    def is_through() -> bool:
        try:
            return guard(working) == "fine"
        except CircuitOpen:
            return False

    wait_until(is_through, seconds=10)
    assert not guard.is_open()


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, Cancelled])
def test_an_interruption_is_neither_success_nor_failure(store: JobStore, interruption: type[BaseException]) -> None:
    guard = guard_of(store.redis)
    open_up(store.redis)
    probe_is_due(store.redis)

    def interrupted() -> str:
        raise interruption

    with pytest.raises(interruption):
        guard(interrupted)

    assert guard.is_open()
    assert guard(working) == "fine"
    assert not guard.is_open()


def test_calls_of_one_worker_do_not_wait_for_each_other(store: JobStore) -> None:
    guard = guard_of(store.redis)
    together = threading.Barrier(3, timeout=10)
    threads = [threading.Thread(target=lambda: guard(together.wait)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert not together.broken


def test_opening_and_closing_are_told_once_each(store: JobStore) -> None:
    with capture_logs() as logs:
        open_up(store.redis)
        refused(guard_of(store.redis))
        probe_is_due(store.redis)
        guard_of(store.redis)(working)

    assert [entry["event"] for entry in logs] == ["breaker_opened", "breaker_probing", "breaker_closed"]
    assert reliability_figures(store.redis).breakers[SERVICE].openings == 1


@pytest.mark.parametrize("late", [failing, working])
def test_a_call_that_began_before_the_opening_changes_nothing(store: JobStore, late: Callable[[], str]) -> None:
    def began_before() -> str:
        open_up(store.redis)
        store.redis.hset(keys.breaker(SERVICE), "opened_at", 1)
        return late()

    with suppress(StorageServiceError):
        guard_of(store.redis)(began_before)

    figures = store.redis.hgetall(keys.breaker(SERVICE))
    assert (figures["state"], figures["opened_at"], figures["openings"]) == ("open", "1", "1")


# --- told, and forgotten ----------------------------------------------------------------------------------------------


def test_the_reliability_page_shows_its_state(store: JobStore) -> None:
    open_up(store.redis)

    figures = reliability_figures(store.redis).breakers[SERVICE]

    assert (figures.state, figures.failures, figures.failing) == ("open", FAIL_MAX, FAIL_MAX)


def test_nothing_is_kept_for_ever(store: JobStore) -> None:
    open_up(store.redis)
    probe_is_due(store.redis)
    guard_of(store.redis, shared=True)(working)
    guard_of(store.redis, shared=True)(working)
    fail(guard_of(store.redis))

    assert all(store.redis.pttl(key) > 0 for key in store.redis.scan_iter(match="klip:breaker*"))


def test_with_redis_away_calls_go_through() -> None:
    nowhere = redis.Redis(host="127.0.0.1", port=1, decode_responses=True)

    assert guard_of(nowhere)(working) == "fine"
    nowhere.close()
