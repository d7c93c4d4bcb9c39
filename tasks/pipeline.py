"""Sending work to the pools: the chain of a job's remaining stages, and the odd jobs of the delivery pool."""

from collections.abc import Iterable
from uuid import uuid4

from celery import chain
from celery.canvas import Signature
from kombu.exceptions import OperationalError
from redis import RedisError

from shared.errors import DatabaseError, JobNotFound
from shared.jobs import Job
from shared.log import logger
from shared.redis.store import JobStore
from shared.stages import DELIVERY_QUEUE, Stage, stages_from
from workers.app import app

CLEAN_UP = "tasks.clean_up"
REMOVE_FILES = "tasks.remove_files"
PING = "tasks.ping"
# What kombu wraps, and what it lets through: a Redis that refuses to write.
BROKER_ERRORS = (OperationalError, RedisError)
# How many jobs somebody who has other work to do sends: an answer or the next stage must not wait for long.
SENT_IN_PASSING = 3

log = logger("klipstream.pipeline")


def message_id(job_id: str, stage: Stage) -> str:
    """A task id that tells, in the queue's plain headers, whose message it is."""
    return f"{job_id}.{stage.name}.{uuid4().hex[:8]}"


def job_of_message(task_id: str) -> str:
    """The job that a message is about."""
    return task_id.partition(".")[0]


def admit(store: JobStore, *, limit: int = SENT_IN_PASSING) -> int:
    """Send the jobs whose turn it is, `limit` at most; how many were. Raises nothing for want of Redis or the broker.

    A job that was admitted and not sent, whatever the reason, is sent by the reaper.
    """
    try:
        admitted = store.admission.admit(limit=limit)
    except DatabaseError as error:
        log.warning("jobs_not_sent", reason=str(error))
        return 0
    return send_admitted(store, admitted)


def send_admitted(store: JobStore, job_ids: Iterable[str]) -> int:
    """Send these, which were admitted; how many. Raises nothing, as `admit`."""
    sent = 0
    try:
        for job_id in job_ids:
            _send_admitted(store, job_id)
            sent += 1
    except (DatabaseError, *BROKER_ERRORS) as error:
        log.warning("jobs_not_sent", reason=str(error))
    return sent


def _send_admitted(store: JobStore, job_id: str) -> None:
    try:
        send(store.get(job_id))
    except JobNotFound:
        log.warning("admitted_job_is_gone", job_id=job_id)


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
    """Ask the delivery pool to remove what a cancelled job's stages left half done on its machine."""
    app.send_task(CLEAN_UP, args=(job_id,), queue=DELIVERY_QUEUE)


def remove_files(job_id: str) -> None:
    """Ask the delivery pool to remove the files of a job that is about to be forgotten, once nobody works on it."""
    app.send_task(REMOVE_FILES, args=(job_id,), queue=DELIVERY_QUEUE)


def ping(ping_id: str, *, within_s: int) -> None:
    """Ask the delivery pool to try a receiver of webhooks; later than `within_s` nobody waits for it."""
    app.send_task(PING, args=(ping_id,), queue=DELIVERY_QUEUE, expires=within_s)
