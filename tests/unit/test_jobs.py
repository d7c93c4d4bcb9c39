"""The state machine: whatever workers, reapers and users do in whatever order, a job's history makes sense."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shared import jobs
from shared.errors import NetworkTimeout, UnsupportedFormat
from shared.jobs import Job, LeaseLost, Refused, StageDone, StageHeld
from shared.stages import STAGES, JobStatus, Stage
from tests.jobs_made import NOW, claimed, new_job


def run_stage(job: Job) -> Job:
    held = claimed(job)
    return jobs.finish(held, token=held.token, seconds=1, now=NOW)


def completed() -> Job:
    job = new_job()
    for _ in STAGES:
        job = run_stage(job)
    return job


def test_a_job_that_passes_every_stage_is_completed_at_100_percent() -> None:
    job = completed()

    assert job.status is JobStatus.COMPLETED
    assert job.percentage == 100
    assert job.stages_done == tuple(stage.name for stage in STAGES)
    assert job.finished_at == NOW


def test_a_stage_is_claimed_by_one_worker_only() -> None:
    job = claimed(new_job())

    with pytest.raises(StageHeld):
        claimed(job, holder="w2")


def test_a_claim_that_is_repeated_after_a_lost_answer_is_the_same_claim() -> None:
    job = claimed(new_job())

    assert claimed(job) == job


def test_a_finished_stage_is_not_claimed_again() -> None:
    job = run_stage(new_job())

    with pytest.raises(StageDone):
        jobs.claim(job, stage=STAGES[0], attempt=1, holder="w2", now=NOW)


def test_a_message_of_an_earlier_attempt_is_refused() -> None:
    job = replace(new_job(), attempt=2)

    with pytest.raises(Refused):
        jobs.claim(job, stage=STAGES[0], attempt=1, holder="w", now=NOW)


def test_progress_inside_a_stage_is_mapped_to_its_share_of_the_job() -> None:
    job = claimed(new_job())

    job = jobs.report(job, token=job.token, fraction=0.5, eta_seconds=7, now=NOW)

    assert job.percentage == 15
    assert job.stage_progress == {"download": 50}
    assert job.eta_seconds == 7


def test_progress_never_goes_down_when_a_stage_starts_again() -> None:
    job = claimed(new_job())
    job = jobs.report(job, token=job.token, fraction=0.8, eta_seconds=None, now=NOW)
    job = claimed(jobs.lose(job, token=job.token, now=NOW), holder="w2")

    job = jobs.report(job, token=job.token, fraction=0.1, eta_seconds=None, now=NOW)

    assert job.percentage == 24


def test_the_third_death_in_one_stage_fails_the_job_as_worker_lost() -> None:
    job = new_job()
    for holder in ("w1", "w2", "w3"):
        job = claimed(job, holder=holder)
        job = jobs.lose(job, token=job.token, now=NOW)

    assert job.status is JobStatus.FAILED
    assert job.error is not None
    assert job.error.code == "WORKER_LOST"
    assert job.error.stage == "download"


def test_deaths_are_counted_for_each_stage_alone() -> None:
    job = claimed(new_job())
    job = jobs.lose(job, token=job.token, now=NOW)

    job = run_stage(job)

    assert job.deaths == 0


def test_a_failed_job_is_retried_from_its_first_unfinished_stage() -> None:
    job = claimed(run_stage(new_job()))
    job = jobs.fail(job, token=job.token, error=UnsupportedFormat(), now=NOW)

    job = jobs.retry(job, now=NOW)

    assert (job.status, job.stage, job.attempt, job.percentage) == (JobStatus.QUEUED, "chat", 2, 30)
    assert job.error is None


def test_a_cancelled_job_is_retried_from_its_first_unfinished_stage() -> None:
    job = jobs.cancel(claimed(run_stage(new_job())), now=NOW)

    job = jobs.retry(job, now=NOW)

    assert (job.stage, job.stages_done, job.percentage) == ("chat", ("download",), 30)


def test_a_cancelled_job_whose_files_are_gone_is_retried_from_the_start() -> None:
    job = jobs.give_up_files(jobs.cancel(run_stage(new_job()), now=NOW))

    again = jobs.retry(job, now=NOW)

    assert jobs.give_up_files(job) == job
    assert (again.stage, again.stages_done, again.percentage) == ("download", (), 0)
    assert not again.files_removed


def test_only_a_cancelled_job_gives_up_its_files() -> None:
    with pytest.raises(Refused):
        jobs.give_up_files(run_stage(new_job()))


def test_a_worker_whose_job_was_cancelled_can_change_nothing() -> None:
    job = claimed(new_job())
    cancelled = jobs.cancel(job, now=NOW)

    with pytest.raises(LeaseLost):
        jobs.finish(cancelled, token=job.token, seconds=1, now=NOW)


def test_a_job_reads_back_as_it_was_written() -> None:
    job = jobs.put_back(claimed(new_job()), token=1, error=NetworkTimeout(), delay_s=5, now=NOW)

    assert Job.loads(job.dumps()) == job
    assert job.waiting_since == "2026-11-22T10:00:05.000Z"


Change = Callable[[Job], Job]


class AnyHistory(RuleBasedStateMachine):
    """Workers, the reaper and users act in any order, with right tokens and stale ones."""

    def __init__(self) -> None:
        super().__init__()
        self.job = new_job()
        self.before = self.job
        self.holders = 0

    def _try(self, change: Change, *, is_stale: bool = False) -> None:
        self.before = self.job
        try:
            self.job = change(self.job)
        except Refused:
            assert self.job == self.before
        else:
            assert not is_stale

    @rule(stage=st.sampled_from(STAGES), attempt=st.integers(1, 3))
    def claim(self, stage: Stage, attempt: int) -> None:
        self.holders += 1
        holder = f"w{self.holders}"
        self._try(lambda job: jobs.claim(job, stage=stage, attempt=attempt, holder=holder, now=NOW))

    @rule()
    def claim_the_right_stage(self) -> None:
        if self.job.stage and not self.job.is_terminal and self.job.holder is None:
            self.holders += 1
            self._try(lambda job: claimed(job, holder=f"w{self.holders}"))

    @rule(fraction=st.floats(-1, 2), stale=st.booleans())
    def report(self, fraction: float, stale: bool) -> None:
        token = self.job.token - stale
        self._try(
            lambda job: jobs.report(job, token=token, fraction=fraction, eta_seconds=None, now=NOW), is_stale=stale
        )

    @rule(stale=st.booleans())
    def finish(self, stale: bool) -> None:
        self._try(lambda job: jobs.finish(job, token=job.token - stale, seconds=1, now=NOW), is_stale=stale)

    @rule(stale=st.booleans())
    def put_back(self, stale: bool) -> None:
        error = NetworkTimeout()
        self._try(
            lambda job: jobs.put_back(job, token=job.token - stale, error=error, delay_s=1, now=NOW), is_stale=stale
        )

    @rule(stale=st.booleans())
    def give_back(self, stale: bool) -> None:
        self._try(lambda job: jobs.give_back(job, token=job.token - stale, now=NOW), is_stale=stale)

    @rule(stale=st.booleans())
    def die(self, stale: bool) -> None:
        self._try(lambda job: jobs.lose(job, token=job.token - stale, now=NOW), is_stale=stale)

    @rule(stale=st.booleans())
    def fail(self, stale: bool) -> None:
        error = UnsupportedFormat()
        self._try(lambda job: jobs.fail(job, token=job.token - stale, error=error, now=NOW), is_stale=stale)

    @rule()
    def cancel(self) -> None:
        self._try(lambda job: jobs.cancel(job, now=NOW))

    @precondition(lambda self: self.job.is_terminal)
    @rule()
    def retry(self) -> None:
        self._try(lambda job: jobs.retry(job, now=NOW))

    @invariant()
    def terminal_is_final_but_for_a_retry(self) -> None:
        if self.before.is_terminal and self.job != self.before:
            assert self.before.status is not JobStatus.COMPLETED
            assert self.job.attempt == self.before.attempt + 1

    @invariant()
    def percentage_never_falls_within_an_attempt(self) -> None:
        if self.job.attempt == self.before.attempt:
            assert self.job.percentage >= self.before.percentage
        assert 0 <= self.job.percentage <= 100
        assert (self.job.percentage == 100) <= (
            self.job.stages_done[-1:] == ("highlights",) or not self.job.is_terminal
        )

    @invariant()
    def tokens_and_the_sequence_only_grow(self) -> None:
        assert self.job.token >= self.before.token
        assert self.job.seq - self.before.seq == (0 if self.job == self.before else 1)

    @invariant()
    def every_claim_has_a_token_of_its_own(self) -> None:
        if self.job.holder is not None and self.job.holder != self.before.holder:
            assert self.job.token > self.before.token

    @invariant()
    def every_loss_makes_the_token_stale(self) -> None:
        is_taken_away = self.job.status in {JobStatus.FAILED, JobStatus.CANCELLED} and not self.before.is_terminal
        if is_taken_away or self.job.deaths > self.before.deaths:
            assert self.job.token > self.before.token

    @invariant()
    def nobody_holds_a_finished_job(self) -> None:
        if self.job.is_terminal:
            assert self.job.holder is None
            assert self.job.finished_at is not None

    @invariant()
    def stages_are_done_in_the_tables_order(self) -> None:
        assert self.job.stages_done == tuple(stage.name for stage in STAGES)[: len(self.job.stages_done)]


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=150, stateful_step_count=40, deadline=None, derandomize=True)
