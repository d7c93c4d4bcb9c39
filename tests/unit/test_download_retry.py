"""Retry policies: how long to wait, and when to stop."""

from datetime import UTC, datetime

import pytest

from shared.errors import ExternalServiceError, NetworkTimeout, RateLimitExceeded, VideoNotFound
from shared.net.retry import EXTERNAL, NETWORK, PROCESSING, RetryPolicy, call_with_retry, parse_retry_after

RETRIED = (NetworkTimeout, RateLimitExceeded, VideoNotFound)


def test_the_contract_names_the_policies() -> None:
    assert (NETWORK.attempts, NETWORK.base_s, NETWORK.cap_s) == (3, 2, 30)
    assert (PROCESSING.attempts, PROCESSING.base_s, PROCESSING.cap_s) == (2, 5, 120)
    assert (EXTERNAL.attempts, EXTERNAL.base_s, EXTERNAL.cap_s) == (4, 1, 60)


def test_exponential_waits_double_up_to_the_cap_and_are_a_random_share() -> None:
    policy = RetryPolicy(attempts=6, base_s=2, cap_s=30)

    assert [policy.ceiling_s(n) for n in range(1, 7)] == [2, 4, 8, 16, 30, 30]
    assert all(0 <= policy.delay_s(3) <= 8 for _ in range(100))
    assert len({policy.delay_s(3) for _ in range(20)}) > 1


@pytest.mark.parametrize(("kind", "waits"), [("linear", [2, 4, 5]), ("fixed", [2, 2, 2]), ("immediate", [0, 0, 0])])
def test_other_kinds_wait_as_they_are_called(kind: str, waits: list[float]) -> None:
    policy = RetryPolicy(attempts=3, base_s=2, cap_s=5, kind=kind)  # type: ignore[arg-type]

    assert list(policy.delays()) == waits


def test_a_server_that_asks_for_time_gets_it() -> None:
    assert RetryPolicy(attempts=1, base_s=1, cap_s=2).delay_s(1, 40.0) == 40.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Sun, 22 Nov 2026 12:01:00 GMT", 60.0),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("９", None),
        ("9" * 400, None),
    ],
)
def test_retry_after_is_read_in_both_forms(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header, now=datetime(2026, 11, 22, 12, tzinfo=UTC)) == seconds


def test_work_is_tried_again_until_it_succeeds() -> None:
    results = iter([NetworkTimeout(), NetworkTimeout(), None])
    waits: list[float] = []

    def work() -> str:
        error = next(results)
        if error:
            raise error
        return "done"

    policy = RetryPolicy(attempts=2, base_s=1, cap_s=1, kind="fixed")
    assert call_with_retry(work, policy=policy, retry_on=RETRIED, sleep=waits.append) == "done"
    assert waits == [1, 1]


@pytest.mark.parametrize("asked_s", [7, ExternalServiceError.default_retry_after_s])
def test_a_wait_that_a_busy_service_names_is_kept(asked_s: float) -> None:
    results = iter([ExternalServiceError(retry_after_s=asked_s), None])
    waits: list[float] = []

    def work() -> None:
        if error := next(results):
            raise error

    policy = RetryPolicy(attempts=1, base_s=1, cap_s=200, kind="fixed")
    call_with_retry(work, policy=policy, retry_on=(ExternalServiceError,), sleep=waits.append)
    assert waits == [asked_s]


@pytest.mark.parametrize(
    ("error", "tries"), [(NetworkTimeout(), 4), (VideoNotFound(), 1), (RateLimitExceeded(retry_after_s=600), 1)]
)
def test_work_is_given_up_when_trying_cannot_help(error: Exception, tries: int) -> None:
    seen = []

    def work() -> None:
        seen.append(1)
        raise error

    with pytest.raises(type(error)):
        call_with_retry(work, policy=NETWORK, retry_on=RETRIED, sleep=lambda _wait: None)
    assert len(seen) == tries


def test_impossible_policies_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        RetryPolicy(attempts=-1)


def test_a_bare_429_is_waited_for_as_any_other_trouble() -> None:
    results = iter([RateLimitExceeded(), None])
    waits: list[float] = []

    def work() -> None:
        if error := next(results):
            raise error

    policy = RetryPolicy(attempts=1, base_s=1, cap_s=10, kind="fixed")
    call_with_retry(work, policy=policy, retry_on=RETRIED, sleep=waits.append)
    assert waits == [1]


def test_no_try_begins_when_the_time_is_over() -> None:
    tries = 0

    def work() -> None:
        nonlocal tries
        tries += 1
        raise NetworkTimeout

    policy = RetryPolicy(attempts=100, base_s=0.02, cap_s=0.02, kind="fixed", within_s=0.1)
    with pytest.raises(NetworkTimeout):
        call_with_retry(work, policy=policy, retry_on=RETRIED)

    assert 2 <= tries <= 5
