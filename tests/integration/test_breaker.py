"""The circuit breaker on a real Valkey, shared by threads and by clients as by workers."""

import threading
from collections.abc import Callable, Iterator

import pytest
import redis
from structlog.testing import capture_logs

from shared.errors import Cancelled, CircuitOpen, FileMissing, StorageServiceError
from shared.redis import keys
from shared.redis.breaker import FAIL_MAX, PROBE_S, Breakers, CircuitBreaker
from shared.redis.connection import connect
from shared.redis.store import JobStore
from shared.settings import Settings
from tests.conftest import wait_until
from web.queues import reliability_figures

RESET_S = 0.3


def failing() -> str:
    raise StorageServiceError


def working() -> str:
    return "fine"


def open_up(guard: CircuitBreaker) -> None:
    for _ in range(FAIL_MAX):
        with pytest.raises(StorageServiceError):
            guard(failing)


def probe_is_due(client: redis.Redis, service: str) -> None:
    """Turn the clock: the breaker opened long ago."""
    client.hset(keys.breaker(service), "opened_at", 0)


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


def test_five_failures_in_a_row_open_it_for_every_worker(store: JobStore, other: redis.Redis) -> None:
    open_up(Breakers(store.redis).of("gcs"))

    error = refused(Breakers(other).of("gcs"))

    assert 58 < (error.retry_after_s or 0) <= 60
    assert Breakers(other).of("gcs").is_open()
    assert Breakers(other).of("deepgram")(working) == "fine"


def test_a_success_in_between_starts_the_count_again(store: JobStore) -> None:
    guard = Breakers(store.redis).of("gcs")
    for _ in range(3):
        for _ in range(FAIL_MAX - 1):
            with pytest.raises(StorageServiceError):
                guard(failing)
        assert guard(working) == "fine"


def test_a_refusal_shows_that_the_service_works(store: JobStore) -> None:
    guard = Breakers(store.redis).of("gcs")

    def refusing() -> str:
        raise FileMissing

    for _ in range(2 * FAIL_MAX):
        with pytest.raises(FileMissing):
            guard(refusing)
    assert not guard.is_open()


def test_half_open_lets_one_call_through_across_all_workers(store: JobStore, other: redis.Redis) -> None:
    guard, elsewhere = Breakers(store.redis).of("gcs"), Breakers(other).of("gcs")
    open_up(guard)
    probe_is_due(store.redis, "gcs")
    inside, leave = threading.Event(), threading.Event()
    answers: list[str] = []

    def slow() -> str:
        inside.set()
        leave.wait(10)
        return "probed"

    probe = threading.Thread(target=lambda: answers.append(guard(slow)))
    probe.start()
    inside.wait(10)

    refused(elsewhere)
    refused(guard)
    leave.set()
    probe.join(10)

    assert answers == ["probed"]
    assert elsewhere(working) == "fine"
    assert not store.redis.exists(keys.breaker_probe("gcs"))


def test_the_others_wait_as_long_again_as_the_probe_has_taken(store: JobStore) -> None:
    guard = Breakers(store.redis).of("gcs")
    open_up(guard)
    probe_is_due(store.redis, "gcs")

    def slow() -> str:
        store.redis.pexpire(keys.breaker_probe("gcs"), round((PROBE_S - 30) * 1000))  # turn the clock
        assert 30 <= (refused(guard).retry_after_s or 0) < 40
        return "probed"

    assert guard(slow) == "probed"


def test_a_failed_probe_leaves_it_open_for_another_minute(store: JobStore) -> None:
    guard = Breakers(store.redis).of("gcs")
    open_up(guard)
    probe_is_due(store.redis, "gcs")

    with pytest.raises(StorageServiceError):
        guard(failing)

    assert (refused(guard).retry_after_s or 0) > 58


def test_it_probes_by_itself_when_the_time_has_passed(store: JobStore) -> None:
    guard = CircuitBreaker(store.redis, "gcs", reset_s=RESET_S)
    open_up(guard)

    def is_through() -> bool:
        try:
            return guard(working) == "fine"
        except CircuitOpen:
            return False

    wait_until(is_through, seconds=10)
    assert not guard.is_open()


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, Cancelled])
def test_an_interruption_is_neither_success_nor_failure(store: JobStore, interruption: type[BaseException]) -> None:
    guard = Breakers(store.redis).of("gcs")
    open_up(guard)
    probe_is_due(store.redis, "gcs")

    def interrupted() -> str:
        raise interruption

    with pytest.raises(interruption):
        guard(interrupted)

    assert guard.is_open()
    assert guard(working) == "fine"
    assert not guard.is_open()


def test_calls_of_one_worker_do_not_wait_for_each_other(store: JobStore) -> None:
    guard = Breakers(store.redis).of("deepgram")
    together = threading.Barrier(3, timeout=10)
    threads = [threading.Thread(target=lambda: guard(together.wait)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert not together.broken


def test_opening_and_closing_are_told_once_each(store: JobStore) -> None:
    guard = Breakers(store.redis).of("gcs")
    with capture_logs() as logs:
        open_up(guard)
        refused(guard)
        probe_is_due(store.redis, "gcs")
        guard(working)

    assert [entry["event"] for entry in logs] == ["breaker_opened", "breaker_probing", "breaker_closed"]
    assert int(reliability_figures(store.redis)["breakers"]["gcs"]["openings"]) == 1


def test_a_call_that_began_before_the_opening_does_not_open_it_again(store: JobStore) -> None:
    guard = Breakers(store.redis).of("gcs")

    def late() -> str:
        open_up(guard)
        store.redis.hset(keys.breaker("gcs"), "opened_at", 1)
        raise StorageServiceError

    with pytest.raises(StorageServiceError):
        guard(late)

    assert store.redis.hget(keys.breaker("gcs"), "opened_at") == "1"
    assert store.redis.hget(keys.breaker("gcs"), "openings") == "1"


def test_the_reliability_page_shows_its_state(store: JobStore) -> None:
    open_up(Breakers(store.redis).of("gcs"))

    assert reliability_figures(store.redis)["breakers"]["gcs"]["state"] == "open"


def test_with_redis_away_calls_go_through() -> None:
    nowhere = redis.Redis(host="127.0.0.1", port=1, decode_responses=True)

    assert Breakers(nowhere).of("gcs")(working) == "fine"
    nowhere.close()
