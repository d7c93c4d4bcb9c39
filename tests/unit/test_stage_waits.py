"""How long a stage waits before it is tried again, and when it fails for good."""

from dataclasses import replace
from typing import Any

import pytest

from shared import jobs
from shared.errors import (
    CircuitOpen,
    ExternalServiceError,
    InsufficientStorage,
    KlipError,
    NetworkTimeout,
    RateLimitExceeded,
    TranscriptionServiceError,
    UnclassifiedError,
    UnsupportedFormat,
)
from shared.jobs import Job
from shared.net.retry import EXTERNAL, LONGEST_WAIT_S, NETWORK, ROOM
from tasks.stage import MAX_CIRCUIT_WAIT_S, wait_s
from tests.unit.test_jobs import new_job


@pytest.mark.parametrize("error", [UnsupportedFormat(), UnclassifiedError()])
def test_what_another_try_cannot_help_is_not_tried_again(error: KlipError) -> None:
    assert wait_s(new_job(), error) is None


def test_a_network_error_is_tried_again_within_its_policy() -> None:
    waits = [wait_s(replace(new_job(), tries=tries), NetworkTimeout()) for tries in range(NETWORK.attempts + 1)]

    assert all(wait is not None and 0 <= wait <= NETWORK.cap_s for wait in waits[:-1])
    assert waits[-1] is None


@pytest.mark.parametrize("kind", [TranscriptionServiceError, ExternalServiceError, NetworkTimeout, RateLimitExceeded])
def test_the_services_own_wait_is_never_cut_short(kind: type[KlipError]) -> None:
    # Also when it is the very time that the catalogue has for an error that names none.
    for asked_s in (77, kind.default_retry_after_s or 0):
        wait = wait_s(new_job(), kind(retry_after_s=asked_s))

        assert wait is not None
        assert wait >= asked_s


def test_a_wait_of_hours_fails_the_stage_instead() -> None:
    assert wait_s(new_job(), RateLimitExceeded(retry_after_s=LONGEST_WAIT_S + 1)) is None


def test_an_open_breaker_is_waited_out_and_uses_up_no_try() -> None:
    job = replace(new_job(), tries=EXTERNAL.attempts)

    wait = wait_s(job, CircuitOpen(retry_after_s=60))

    assert wait is not None
    assert wait >= 60


def test_a_breaker_that_never_closes_fails_the_stage_in_the_end() -> None:
    assert wait_s(having_waited(MAX_CIRCUIT_WAIT_S + 1), CircuitOpen(retry_after_s=60)) is None


def test_short_waits_for_somebody_elses_probe_do_not_use_up_the_long_one() -> None:
    job = having_waited(60)
    for _ in range(100):
        job = put_off(job, seconds_ago=1)

    assert wait_s(job, CircuitOpen(retry_after_s=1)) is not None
    assert [retry.code for retry in job.retries] == ["CIRCUIT_OPEN"]


@pytest.mark.parametrize(
    "changes",
    [{"stage": "chat"}, {"attempt": 2}, {"retries": ()}],
    ids=["another stage", "a new attempt", "the first time"],
)
def test_a_wait_that_was_over_is_no_part_of_this_one(changes: dict[str, Any]) -> None:
    job = replace(having_waited(MAX_CIRCUIT_WAIT_S + 1), **changes)

    assert wait_s(job, CircuitOpen(retry_after_s=60)) is not None


def test_a_stage_that_worked_for_a_while_since_its_wait_may_wait_again() -> None:
    job = put_off(new_job(), seconds_ago=MAX_CIRCUIT_WAIT_S + 1)

    assert wait_s(job, CircuitOpen(retry_after_s=60)) is not None


def put_off(job: Job, *, seconds_ago: float) -> Job:
    """The job after it met an open breaker then, and was put off for a second."""
    when = jobs.moved(jobs.utc_now(), -seconds_ago)
    held = replace(job, holder="w1")
    return jobs.put_back(held, token=held.token, error=CircuitOpen(retry_after_s=1), delay_s=1, now=when, counts=False)


def having_waited(seconds: float) -> Job:
    """A job that has met an open breaker all the time."""
    job = new_job()
    for ago in range(int(seconds), 0, -30):
        job = put_off(job, seconds_ago=ago)
    return job


def test_a_full_disk_is_waited_out_for_minutes_so_that_somebody_can_free_it() -> None:
    waits = [wait_s(replace(new_job(), tries=tries), InsufficientStorage()) for tries in range(ROOM.attempts)]

    assert sum(wait or 0 for wait in waits) >= 300
    assert wait_s(replace(new_job(), tries=ROOM.attempts), InsufficientStorage()) is None
