"""The odd jobs of the delivery pool; nothing here ever delays a stage."""

from celery import Task

from shared.errors import JobNotFound
from shared.log import logger
from shared.stages import JobStatus
from tasks.pipeline import CLEAN_UP
from workers.app import app, artifact_store, job_store

log = logger("klipstream.delivery")
LEASE_POLL_S = 1
MAX_POLLS = 30  # a lease lives 10 s at most after its holder was interrupted
CLEANER = "clean-up"


@app.task(name=CLEAN_UP, bind=True, max_retries=MAX_POLLS)
def clean_up(task: Task, job_id: str) -> None:
    """Remove the files of a cancelled job, once nobody works on it any more."""
    store = job_store()
    # As long as we hold the lease no worker can claim a stage of the job, even if it is retried meanwhile.
    if not store.hold(job_id, CLEANER):
        raise task.retry(countdown=LEASE_POLL_S)
    try:
        if store.get(job_id).status is JobStatus.CANCELLED:
            artifact_store().delete(job_id)
            log.info("files_removed", job_id=job_id)
    except JobNotFound:
        return
    finally:
        store.release(job_id, CLEANER)
