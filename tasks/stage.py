"""What every stage has in common: claim, lease, progress, skip if done, errors, retries, limits, logs."""

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import NoReturn
from uuid import uuid4

import structlog
from celery import Task
from celery.exceptions import Ignore, Retry, SoftTimeLimitExceeded

from shared import jobs
from shared.errors import CircuitOpen, DatabaseError, JobNotFound, KlipError, ProcessingTimeout, WorkerLost
from shared.jobs import Job, LeaseLost, Refused, StageDone, StageHeld, utc_now
from shared.log import logger
from shared.net.edges import classify
from shared.net.retry import UNTIL_BACK, call_with_retry
from shared.net.traffic import received_bytes
from shared.progress import Progress
from shared.redis.counters import Counted, Counters
from shared.redis.stage_timings import StageTimings
from shared.redis.store import JobStore
from shared.settings import settings
from shared.stages import STAGE_BY_NAME, Stage
from tasks import pipeline
from tasks.lease import Interrupted, LeaseKeeper, keeping
from tasks.retries import failure_of, wait_s
from tasks.workspace import Outcome, Workspace
from workers.app import app, artifact_store, job_store
from workers.housekeeping import start_if_due

SLOWEST_UPLOAD_BYTES_PER_S = 1_000_000

log = logger("klipstream.stage")
Work = Callable[[Job, Workspace, Progress], Outcome]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """stall_s: without any progress.  base_s, per_hour_s: for all of it, by the recording's length.  unwind_s: to end
    after one of these has passed.

    memory_bytes: what the process may hold; ours need 1 GiB at most, so more than this is a fault that would end with
    the system killing some process of its choice.
    """

    stall_s: float = 300
    base_s: float = 600
    per_hour_s: float = 1800
    unwind_s: float = 30
    memory_bytes: int = 4 << 30

    def deadline_s(self, job: Job) -> float:
        """The longest time for the stage, in seconds; for the longest video while its length is unknown."""
        duration_s = (job.video and job.video.duration_seconds) or settings().max_video_hours * 3600
        return self.base_s + self.per_hour_s * duration_s / 3600


def stage(name: str, *, limits: Limits) -> Callable[[Work], Task]:
    """Make the Celery task of a stage out of the function that does its work."""

    def decorate(work: Work) -> Task:
        def run(task: Task, job_id: str, _stage: str, attempt: int) -> None:
            with structlog.contextvars.bound_contextvars(
                job_id=job_id, stage=name, attempt=attempt, token=None, owner=None
            ):
                try:
                    _Run(task, STAGE_BY_NAME[name], work, limits).execute(job_id, attempt)
                finally:
                    pipeline.admit(job_store())  # this stage's place is free

        run.__doc__ = work.__doc__
        return app.task(name=f"tasks.{name}", bind=True, max_retries=None)(run)

    return decorate


def _is_gone(holder: str) -> bool:
    host, pid, _ = holder.rsplit(":", 2)
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


class _Run:
    """One delivery of one stage's message."""

    def __init__(self, task: Task, stage: Stage, work: Work, limits: Limits) -> None:
        self.task, self.stage, self.work, self.limits = task, stage, work, limits
        self.store: JobStore = job_store()
        self.timings = StageTimings(self.store.redis)
        self.counters = Counters(self.store.redis)

    def execute(self, job_id: str, attempt: int) -> None:
        job = self._claim(job_id, attempt)
        if job is None:
            return
        structlog.contextvars.bind_contextvars(token=job.token, owner=job.owner)
        log.info("stage_started", holder=job.holder)
        start_if_due(settings(), self.store)
        try:
            workspace = Workspace(job, self.stage.name, store=artifact_store(), root=settings().data_dir / "work")
        except OSError as error:
            self._failed(job, None, error)
        keeper = LeaseKeeper(
            self.store,
            job,
            stall_s=self.limits.stall_s,
            deadline_s=self.limits.deadline_s(job),
            unwind_s=self.limits.unwind_s,
            memory_bytes=self.limits.memory_bytes,
            seconds_after=self.timings.seconds_after(self.stage, job),
        )
        try:
            self._attend(job, workspace, keeper)
        except (Ignore, Retry):
            if not keeper.passed_a_limit:
                raise
            # Native code may still hang in a thread, or hold the memory: that ends with the process only. The message
            # was dealt with; Celery takes it for done and starts another child.
            log.warning("process_replaced", reason=str(keeper.reason))
            raise SystemExit from None
        finally:
            workspace.leave()

    def _attend(self, job: Job, workspace: Workspace, keeper: LeaseKeeper) -> None:
        """Do the work and write down how it ended. Raises Ignore or Retry unless the chain goes on."""
        began, received = time.monotonic(), received_bytes()
        try:
            with keeping(keeper):
                outcome = workspace.finished()
                if outcome is None:
                    outcome = self.work(job, workspace, keeper)
                    keeper.expect_silence(workspace.size_of(outcome) / SLOWEST_UPLOAD_BYTES_PER_S)
                    workspace.keep(outcome)
            self._finish(job, outcome, time.monotonic() - began)
            workspace.remove()
        except (Interrupted, SoftTimeLimitExceeded):
            self._stopped(job, workspace, keeper.reason or ProcessingTimeout())
        except (LeaseLost, JobNotFound) as lost:
            self._stopped(job, workspace, lost)
        except (SystemExit, KeyboardInterrupt):
            self._change(job, partial(jobs.give_back, token=job.token, now=utc_now()))
            log.info("stage_given_back")
            raise
        except Exception as error:  # noqa: BLE001 -- the stage boundary: everything unforeseen is classified here
            self._failed(job, workspace, error)
        finally:
            self.counters.add(Counted.FETCHED_BYTES, self.stage.name, by=received_bytes() - received)

    def _claim(self, job_id: str, attempt: int) -> Job | None:
        """The job with this stage ours; None when the stage is done and the chain should go on."""
        holder = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"

        def transition(job: Job) -> Job:
            return jobs.claim(job, stage=self.stage, attempt=attempt, holder=holder, now=utc_now())

        try:
            try:
                return self._write(job_id, transition, lease="take")
            except StageHeld:
                self._free_from_the_dead(job_id)
                return self._write(job_id, transition, lease="take")
        except StageDone:
            return None
        except (Refused, JobNotFound) as reason:
            log.info("message_dropped", reason=str(reason) or type(reason).__name__)
            raise Ignore from None

    def _free_from_the_dead(self, job_id: str) -> None:
        """Free the stage at once when its holder was a process of this machine that is gone; else its lease decides."""
        job = self.store.get(job_id)
        if job.holder is not None and _is_gone(job.holder):
            lost = self.store.change(job_id, partial(jobs.lose, token=job.token, now=utc_now()), lease="drop")
            self.store.count_retry(self.stage.name, WorkerLost.code)
            self.counters.add(Counted.WORKER_DEATHS, self.stage.name)
            log.warning("stage_lost", holder=job.holder, deaths=lost.deaths)

    def _finish(self, job: Job, outcome: Outcome, seconds: float) -> None:
        transition = partial(
            jobs.finish,
            token=job.token,
            seconds=seconds,
            now=utc_now(),
            warnings=outcome.warnings,
            video=outcome.video,
            results=outcome.results,
        )
        done = self._write(job.job_id, transition, lease="drop")
        self.timings.remember(self.stage, done, seconds)
        self.counters.stage_took(self.stage.name, seconds)
        log.info("stage_finished", seconds=round(seconds, 3))

    def _stopped(self, job: Job, workspace: Workspace, reason: Exception) -> NoReturn:
        if isinstance(reason, KlipError) and not isinstance(reason, JobNotFound):
            self._failed(job, workspace, reason)
        self._note_the_loss(job, reason)
        workspace.remove()
        self.store.release(job.job_id, job.token)
        raise Ignore

    def _failed(self, job: Job, workspace: Workspace | None, cause: Exception) -> NoReturn:
        error = classify(cause)
        wait = wait_s(job, error)
        if wait is not None:
            self._try_again(job, error, wait)
        error = failure_of(job, error)
        failed = self._change(job, partial(jobs.fail, token=job.token, error=error, now=utc_now()))
        if failed is not None and failed.error is not None:
            log.error("stage_failed", code=error.code, support_reference=failed.error.support_reference, exc_info=cause)
        if workspace is not None:
            workspace.remove()
        raise Ignore

    def _try_again(self, job: Job, error: KlipError, wait: float) -> NoReturn:
        """Free this worker and come back later."""
        log.warning("stage_retried", code=error.code, detail=error.detail, wait_s=round(wait, 1))
        self.store.count_retry(self.stage.name, error.code)
        transition = partial(
            jobs.put_back,
            token=job.token,
            error=error,
            delay_s=wait,
            now=utc_now(),
            # Nothing was tried while the breaker was open.
            counts=not isinstance(error, CircuitOpen),
        )
        if self._change(job, transition):
            raise self.task.retry(countdown=wait, exc=error)
        raise Ignore

    def _change(self, job: Job, transition: Callable[[Job], Job]) -> Job | None:
        """Apply the transition and drop the lease; None when the job has moved on without us."""
        try:
            return self._write(job.job_id, transition, lease="drop")
        except (LeaseLost, JobNotFound) as lost:
            self._note_the_loss(job, lost)
            return None

    def _note_the_loss(self, job: Job, reason: Exception) -> None:
        """The stage is no longer ours; unless the job was cancelled or removed, because we were taken for dead."""
        log.info("stage_stopped", reason=str(reason))
        with suppress(JobNotFound, DatabaseError):
            if not self.store.get(job.job_id).is_terminal:
                self.counters.add(Counted.LEASE_LOSSES, self.stage.name)

    def _write(self, job_id: str, transition: Callable[[Job], Job], *, lease: str) -> Job:
        """Change the job, however long Redis is away or full: what was done must not be lost over that."""
        change = partial(self.store.change, job_id, transition, lease=lease)
        return call_with_retry(change, policy=UNTIL_BACK, retry_on=(DatabaseError,))
