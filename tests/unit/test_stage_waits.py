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
    VideoNotReady,
)
from shared.jobs import Job
from shared.net.retry import EXTERNAL, LONGEST_WAIT_S, NETWORK, ROOM
from tasks.retries import MAX_CIRCUIT_WAIT_S, MAX_OWN_TROUBLE_S, OUTLAST_S, failure_of, is_final, wait_s
from tests.jobs_made import new_job


@pytest.mark.parametrize("error", [UnsupportedFormat(), VideoNotReady()])
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


def test_what_nobody_foresaw_is_tried_once_more() -> None:
    job = new_job()
    assert wait_s(job, UnclassifiedError()) is not None

    again = tried(job, UnclassifiedError(), seconds_ago=5)

    assert is_final(again, UnclassifiedError())
    assert not is_final(tried(job, NetworkTimeout(), seconds_ago=5), UnclassifiedError())


@pytest.mark.parametrize(("error", "attempts"), [(NetworkTimeout(), 3), (ExternalServiceError(), 4)])
def test_a_bad_minute_is_outlasted_and_a_calm_one_used_soon(error: KlipError, attempts: int) -> None:
    waits = [wait_s(replace(new_job(), tries=tries), error) or 0 for tries in range(attempts)]

    assert sum(waits) >= OUTLAST_S * (attempts - 1)
    assert max(waits) <= OUTLAST_S


def test_a_service_that_fails_for_this_job_alone_is_not_waited_for_as_one_that_is_down() -> None:
    error = CircuitOpen(retry_after_s=60, alone=True)
    job = tried(new_job(), ExternalServiceError("Twitch answered with status 500."), seconds_ago=70)
    assert wait_s(put_off(job, seconds_ago=65), error) is not None

    late = tried(new_job(), ExternalServiceError("Twitch answered with status 500."), seconds_ago=MAX_OWN_TROUBLE_S)
    for ago in (145, 90, 40):
        late = put_off(late, seconds_ago=ago)

    assert is_final(late, error)
    assert not is_final(late, CircuitOpen(retry_after_s=60))
    told = failure_of(late, error)
    assert (type(told), told.detail) == (ExternalServiceError, "Twitch answered with status 500.")


def tried(job: Job, error: KlipError, *, seconds_ago: float) -> Job:
    """The job after it met the error then."""
    when = jobs.moved(jobs.utc_now(), -seconds_ago)
    held = replace(job, holder="w1")
    return jobs.put_back(held, token=held.token, error=error, delay_s=1, now=when)


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
