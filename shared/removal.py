"""Removing a finished job with its files. First the files, then the job: what fails in between is found again."""

from collections.abc import Callable

from shared.artifacts.store import ArtifactStore
from shared.errors import JobConflict, JobNotFound
from shared.jobs import Job
from shared.redis.store import JobStore


def remove_job(
    store: JobStore, artifacts: ArtifactStore, job_id: str, *, may_go: Callable[[Job], bool], tell_mirror: bool
) -> bool:
    """Whether the job is gone now; not while somebody works on it, nor when `may_go` says no of its newest state.

    Raises StorageServiceError, DatabaseError; JobConflict when it begins again in this moment.
    """
    with store.held(job_id) as here:
        if not here:
            return False
        try:
            newest = store.get(job_id)
        except JobNotFound:
            return True
        if not may_go(newest):
            return False
        if not newest.is_terminal:
            raise JobConflict("The job is not finished.")
        artifacts.delete(job_id)
        store.delete(newest, tell_mirror=tell_mirror)
    return True
