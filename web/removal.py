"""A finished job removed because its owner asks."""

from shared.errors import DatabaseError, JobConflict
from shared.jobs import Job
from shared.removal import remove_job
from tasks import pipeline
from web.dependencies import dependencies


def remove_now(job: Job) -> None:
    """Remove the job and its files. Where a worker has not yet let go of it, the delivery pool removes the files then.

    Raises JobConflict when it begins again in this moment, StorageServiceError, DatabaseError.
    """
    own = dependencies()

    def is_same_attempt(newest: Job) -> bool:
        if not newest.is_terminal or newest.attempt != job.attempt:
            raise JobConflict("The job has begun again.")
        return True

    if remove_job(own.store, own.artifacts, job.job_id, may_go=is_same_attempt, tell_mirror=True):
        return
    try:
        # Before the job is forgotten: nobody would know of its files any more.
        pipeline.remove_files(job.job_id)
    except pipeline.BROKER_ERRORS as error:
        raise DatabaseError from error
    own.store.delete(job, tell_mirror=True)
