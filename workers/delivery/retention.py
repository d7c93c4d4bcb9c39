"""Removing jobs that ended JOB_RETENTION_DAYS ago, and files of those cancelled CANCELLED_KEEP_MINUTES ago."""

from time import monotonic

from shared.artifacts.store import ArtifactStore
from shared.errors import JobConflict, JobNotFound, StorageServiceError
from shared.jobs import Job, Refused, give_up_files, moved, utc_now
from shared.log import logger
from shared.redis.store import JobStore
from shared.removal import remove_job

WORK_FOR_S = 300.0  # the rest waits for the next run
BATCH = 100
MOST_FAILURES = 3

log = logger("klipstream.retention")


def remove_old_jobs(store: JobStore, artifacts: ArtifactStore, *, days: float) -> int:
    """How many jobs were removed. First the files, then the job: what fails in between is found again.

    Raises StorageServiceError, DatabaseError.
    """
    cutoff = moved(utc_now(), -days * 86_400)
    deadline = monotonic() + WORK_FOR_S
    removed = 0
    while monotonic() < deadline and (old := store.finished_before(cutoff)):
        gone = [job.job_id for job in old if _remove(store, artifacts, job, cutoff)]
        if not gone:
            break
        removed += len(gone)
        log.info("jobs_removed", count=len(gone))
    return removed


def _remove(store: JobStore, artifacts: ArtifactStore, job: Job, cutoff: str) -> bool:
    def is_old(newest: Job) -> bool:
        return newest.finished_at is not None and newest.finished_at < cutoff

    try:
        return remove_job(store, artifacts, job.job_id, may_go=is_old, tell_mirror=False)
    except JobConflict:
        return False


def remove_cancelled(store: JobStore, artifacts: ArtifactStore, *, keep_minutes: float) -> int:
    """How many jobs' files were removed; those of a job that somebody still works on or removes wait for the next run.

    Raises StorageServiceError when MOST_FAILURES were in a row, DatabaseError.
    """
    cutoff = moved(utc_now(), -keep_minutes * 60)
    removed = failures = 0
    for job in store.cancelled_before(cutoff, limit=BATCH):
        try:
            removed += _remove_files(store, artifacts, job.job_id, cutoff)
            failures = 0
        except StorageServiceError as error:
            failures += 1
            if failures == MOST_FAILURES:
                raise
            log.warning("files_not_removed", job_id=job.job_id, reason=error.detail)
    if removed:
        log.info("cancelled_files_removed", count=removed)
    return removed


def _remove_files(store: JobStore, artifacts: ArtifactStore, job_id: str, cutoff: str) -> bool:
    def transition(job: Job) -> Job:
        if (job.finished_at or cutoff) > cutoff:
            raise Refused("cancelled again")
        return give_up_files(job)

    with store.held(job_id) as here:
        if not here:
            return False
        try:
            # First the word that they are gone: a retry must not count on them, whoever dies now.
            store.change(job_id, transition)
        except (Refused, JobNotFound):
            return False
        artifacts.delete(job_id)
        store.files_are_gone(job_id)
    return True
