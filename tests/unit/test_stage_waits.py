"""How long a stage waits before it is tried again, and when it fails for good."""

from dataclasses import replace

import pytest

from shared.errors import (
    CircuitOpen,
    KlipError,
    NetworkTimeout,
    RateLimitExceeded,
    TranscriptionServiceError,
    UnclassifiedError,
    UnsupportedFormat,
)
from shared.retry import EXTERNAL, NETWORK
from tasks.stage import LONGEST_WAIT_S, MAX_CIRCUIT_WAITS, wait_s
from tests.unit.test_jobs import new_job


@pytest.mark.parametrize("error", [UnsupportedFormat(), UnclassifiedError()])
def test_what_another_try_cannot_help_is_not_tried_again(error: KlipError) -> None:
    assert wait_s(new_job(), error) is None


def test_a_network_error_is_tried_again_within_its_policy() -> None:
    waits = [wait_s(replace(new_job(), tries=tries), NetworkTimeout()) for tries in range(NETWORK.attempts + 1)]

    assert all(wait is not None and 0 <= wait <= NETWORK.cap_s for wait in waits[:-1])
    assert waits[-1] is None


def test_the_services_own_wait_is_never_cut_short() -> None:
    wait = wait_s(new_job(), TranscriptionServiceError(retry_after_s=77))

    assert wait is not None
    assert wait >= 77


def test_a_wait_of_hours_fails_the_stage_instead() -> None:
    assert wait_s(new_job(), RateLimitExceeded(retry_after_s=LONGEST_WAIT_S + 1)) is None


def test_an_open_breaker_is_waited_out_and_uses_up_no_try() -> None:
    job = replace(new_job(), tries=EXTERNAL.attempts)

    wait = wait_s(job, CircuitOpen(retry_after_s=60))

    assert wait is not None
    assert wait >= 60


def test_a_breaker_that_never_closes_fails_the_stage_in_the_end() -> None:
    waited = tuple({"stage": "transcribe", "code": "CIRCUIT_OPEN"} for _ in range(MAX_CIRCUIT_WAITS))

    assert wait_s(replace(new_job(), retries=waited), CircuitOpen(retry_after_s=60)) is None
