"""The keeper of a stage's lease in this process: its limits, and what it tells of the work, on a real Valkey."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import repeat

import pytest

from shared import jobs
from shared.errors import OutOfMemory, ProcessingTimeout
from shared.jobs import Job, LeaseLost, utc_now
from shared.records import Video
from shared.redis.store import JobStore
from shared.settings import settings
from shared.stages import STAGES
from tasks.lease import Interrupted, LeaseKeeper, eta_seconds, keeping
from tasks.stage import Limits
from tests.conftest import wait_until
from tests.jobs_made import new_job

PATIENT = Limits(stall_s=3600, base_s=3600)


def claimed(store: JobStore) -> Job:
    store.create(new_job(), max_active=10)
    return store.change(
        new_job().job_id,
        partial(jobs.claim, stage=STAGES[0], attempt=1, holder="here:1:x", now=utc_now()),
        lease="take",
    )


def keeper_of(store: JobStore, limits: Limits, *, seconds_after: float | None = None) -> LeaseKeeper:
    job = claimed(store)
    return LeaseKeeper(
        store,
        job,
        stall_s=limits.stall_s,
        deadline_s=limits.deadline_s(job),
        unwind_s=limits.unwind_s,
        memory_bytes=limits.memory_bytes,
        seconds_after=seconds_after,
    )


def is_interrupted(keeper: LeaseKeeper, work: Callable[[], object]) -> bool:
    """Whether work that begins so, and would go on for long, is ended by the keeper."""
    try:
        with keeping(keeper):
            work()
            threading.Event().wait(60)
    except (Interrupted, ProcessingTimeout):
        return True
    return False


def tells(keeper: LeaseKeeper, fractions: Iterator[float]) -> None:
    """Work that says again and again how far it is."""
    for fraction in fractions:
        keeper(fraction)
        threading.Event().wait(0.01)


def test_work_that_stands_still_is_interrupted(store: JobStore) -> None:
    keeper = keeper_of(store, replace(PATIENT, stall_s=0.5))

    assert is_interrupted(keeper, lambda: keeper(0.1))
    assert isinstance(keeper.reason, ProcessingTimeout)
    assert "stood still" in str(keeper.reason.detail)
    assert keeper.passed_a_limit


def test_the_same_fraction_told_again_is_no_progress(store: JobStore) -> None:
    keeper = keeper_of(store, replace(PATIENT, stall_s=0.5))

    assert is_interrupted(keeper, lambda: tells(keeper, repeat(0.5, 6000)))
    assert isinstance(keeper.reason, ProcessingTimeout)


def test_silence_that_was_told_of_is_no_stall(store: JobStore) -> None:
    keeper = keeper_of(store, replace(PATIENT, stall_s=0.2))

    with keeping(keeper):
        keeper.expect_silence(3600)
        before = store.get(new_job().job_id).seq
        # Until the keeper has looked twice, for it reports then
        wait_until(lambda: store.get(new_job().job_id).seq >= before + 2, seconds=20)

    assert keeper.reason is None


def test_work_that_takes_too_long_is_interrupted_however_well_it_goes_on(store: JobStore) -> None:
    keeper = keeper_of(store, Limits(stall_s=3600, base_s=1, per_hour_s=0))

    assert is_interrupted(keeper, lambda: tells(keeper, (number / 6000 for number in range(6000))))
    assert isinstance(keeper.reason, ProcessingTimeout)
    assert "longer than 1 s" in str(keeper.reason.detail)


def test_a_process_that_holds_too_much_is_interrupted(store: JobStore) -> None:
    keeper = keeper_of(store, replace(PATIENT, memory_bytes=1 << 20))

    assert is_interrupted(keeper, lambda: None)
    assert isinstance(keeper.reason, OutOfMemory)
    assert keeper.passed_a_limit


def test_a_stage_that_was_taken_away_passed_no_limit(store: JobStore) -> None:
    keeper = keeper_of(store, PATIENT)

    def cancel() -> None:
        store.change(new_job().job_id, partial(jobs.cancel, now=utc_now()), lease="drop")

    assert is_interrupted(keeper, cancel)
    assert isinstance(keeper.reason, LeaseLost)
    assert not keeper.passed_a_limit


@pytest.mark.parametrize(("hours", "limit_s"), [(0.5, 700), (10, 2600)])
def test_a_stage_may_take_longer_for_a_longer_recording(hours: float, limit_s: float) -> None:
    video = Video(id="x", source="local", duration_seconds=hours * 3600)

    assert Limits(base_s=600, per_hour_s=200).deadline_s(replace(new_job(), video=video)) == limit_s


def test_of_a_recording_of_unknown_length_the_longest_is_assumed() -> None:
    longest_s = 600 + 200 * settings().max_video_hours

    assert Limits(base_s=600, per_hour_s=200).deadline_s(replace(new_job(), video=None)) == longest_s


@pytest.mark.parametrize(
    ("elapsed_s", "fraction", "seconds_after", "eta"),
    [
        (10, 0.5, 0, 10),
        (10, 0.5, 100, 110),
        (30, 0.75, 7.4, 17),
        (60, 1.0, 5, 5),
        (10, 0.5, None, None),
        (0.5, 0.5, 100, None),
        (10, 0.01, 100, None),
        (10, 0.0, 100, None),
    ],
)
def test_the_rest_is_told_from_the_rate_so_far_and_what_comes_after(
    elapsed_s: float, fraction: float, seconds_after: float | None, eta: int | None
) -> None:
    assert eta_seconds(elapsed_s, fraction, seconds_after) == eta


def test_watchers_see_the_rest_in_the_job(store: JobStore) -> None:
    keeper = keeper_of(store, PATIENT, seconds_after=1000)

    def is_told() -> bool:
        keeper(0.5)
        return store.get(new_job().job_id).eta_seconds is not None

    with keeping(keeper):
        wait_until(is_told, seconds=60)

    assert 1001 <= (store.get(new_job().job_id).eta_seconds or 0) <= 1060
