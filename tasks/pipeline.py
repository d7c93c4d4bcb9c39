"""Sending work to the pools: the chain of a job's remaining stages, and the odd jobs of the delivery pool."""

from uuid import uuid4

from celery import chain
from celery.canvas import Signature

from shared.jobs import Job
from shared.stages import DELIVERY_QUEUE, Stage, stages_from
from workers.app import app

CLEAN_UP = "tasks.clean_up"


def message_id(job_id: str, stage: Stage) -> str:
    """A task id that tells, in the queue's plain headers, whose message it is."""
    return f"{job_id}.{stage.name}.{uuid4().hex[:8]}"


def job_of_message(task_id: str) -> str:
    return task_id.partition(".")[0]


def send(job: Job) -> None:
    """Send the chain of the stages that are left. Sending twice does no harm: a stage is claimed once."""
    if job.stage is None:
        return
    links = [_link(job, stage) for stage in stages_from(job.stage) if stage.name not in job.stages_done]
    chain(*links).apply_async()


def _link(job: Job, stage: Stage) -> Signature:
    # Immutable: what a stage hands to the next one goes through the job and the artifact store.
    return app.signature(
        stage.task,
        args=(job.job_id, stage.name, job.attempt),
        immutable=True,
        queue=stage.queue,
        task_id=message_id(job.job_id, stage),
    )


def clean_up(job_id: str) -> None:
    """Ask the delivery pool to remove the files of a cancelled job."""
    app.send_task(CLEAN_UP, args=(job_id,), queue=DELIVERY_QUEUE)
