"""Removing jobs, and their files, that ended longer ago than JOB_RETENTION_DAYS."""

from time import monotonic

from shared.artifacts.store import ArtifactStore
from shared.errors import JobNotFound
from shared.jobs import Job, moved, utc_now
from shared.log import logger
from shared.redis.store import JobStore

WORK_FOR_S = 300.0  # the rest waits for the next run

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
    with store.held(job.job_id) as here:
        if not here:
            return False
        try:
            newest = store.get(job.job_id)
        except JobNotFound:
            return True
        if newest.finished_at is None or newest.finished_at >= cutoff:
            return False
        artifacts.delete(job.job_id)
        store.delete(newest)
    return True
