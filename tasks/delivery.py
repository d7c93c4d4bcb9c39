"""The odd jobs of the delivery pool; nothing here ever delays a stage."""

import json
from functools import cache

from celery import Task

from shared.artifacts.folder import FolderStore
from shared.errors import JobNotFound, KlipError
from shared.jobs import utc_now
from shared.log import logger
from shared.redis import keys
from shared.settings import settings
from shared.stages import JobStatus
from shared.work_folder import remove_unless_occupied
from tasks.pipeline import CLEAN_UP, PING, REMOVE_FILES
from workers.app import app, artifact_store, breakers, job_store
from workers.delivery.convex import ConvexClient
from workers.delivery.mirror import MirrorSender, forget_all
from workers.delivery.orphans import remove_orphans
from workers.delivery.retention import remove_cancelled, remove_old_jobs
from workers.delivery.sweep import sweep
from workers.delivery.webhook_sender import WebhookSender, ping_payload
from workers.delivery.webhooks import WebhookDelivery

log = logger("klipstream.delivery")
LEASE_POLL_S = 1
PONG_KEPT_S = 30
MAX_POLLS = 30  # a lease lives 10 s at most after its holder was interrupted


@app.task(name=CLEAN_UP, bind=True, max_retries=MAX_POLLS)
def clean_up(task: Task, job_id: str) -> None:
    """Remove what the stages of a cancelled job left half done on this machine, once nobody works on it any more."""
    try:
        with job_store().held(job_id) as here:
            if here:
                _remove_work(job_id)
    except JobNotFound:
        return
    except KlipError as error:
        # They have their turn when the database is back.
        raise task.retry(countdown=error.retry_after_s, exc=error) from error
    if not here:
        raise task.retry(countdown=LEASE_POLL_S)


def _remove_work(job_id: str) -> None:
    if job_store().get(job_id).status is JobStatus.CANCELLED:
        _remove_folders(job_id)


def _remove_folders(job_id: str) -> None:
    """What a killed process left on this machine; elsewhere the housekeeping finds it."""
    for folder in (settings().data_dir / "work" / job_id).glob("*"):
        remove_unless_occupied(folder)
    log.info("work_removed", job_id=job_id)


@app.task(name=REMOVE_FILES, bind=True, max_retries=MAX_POLLS)
def remove_files(task: Task, job_id: str) -> None:
    """Remove the files of a job that was forgotten while a worker had not yet let go of it."""
    try:
        with job_store().held(job_id) as here:
            is_free = here and not _is_known(job_id)
            if is_free:
                artifact_store().delete(job_id)
                _remove_folders(job_id)
    except KlipError as error:
        raise task.retry(countdown=error.retry_after_s, exc=error) from error
    if not is_free:
        raise task.retry(countdown=LEASE_POLL_S)


def _is_known(job_id: str) -> bool:
    try:
        job_store().get(job_id)
    except JobNotFound:
        return False
    return True


@app.task(name="tasks.forget_cancelled", send_events=False)
def forget_cancelled() -> None:
    """Remove the finished files of jobs that were cancelled longer ago than the settings keep them for a retry."""
    remove_cancelled(job_store(), artifact_store(), keep_minutes=settings().cancelled_keep_minutes)


@app.task(name="tasks.mirror", send_events=False)
def mirror() -> None:
    """Bring the rows in Convex up to their jobs."""
    sender = _mirror_sender()
    if sender is None:
        forget_all(job_store().redis)
    else:
        sweep(job_store().redis, keys.MIRROR_DUE, sender.send)


@app.task(name="tasks.webhooks", send_events=False)
def webhooks() -> None:
    """Try the webhooks that are due."""
    delivery = _webhook_delivery()
    if delivery is not None:
        delivery.sweep()


@app.task(name=PING)
def ping(ping_id: str) -> None:
    """Try a receiver of webhooks once, and note what it answered."""
    client, sender = job_store().redis, _webhook_sender()
    url = client.getdel(keys.webhook_ping(ping_id))
    if sender is None or url is None:
        return
    answer = sender.post(str(url), event_id=ping_id, body=ping_payload(utc_now()))
    told = {"status": answer.status, "answer": answer.text, "error": answer.error, "seconds": answer.seconds}
    with client.pipeline() as pipe:
        pipe.rpush(keys.webhook_pong(ping_id), json.dumps(told))
        pipe.expire(keys.webhook_pong(ping_id), PONG_KEPT_S)
        pipe.execute()


@app.task(name="tasks.retention")
def retention() -> None:
    """Remove jobs that are older than the settings allow, and files that belong to no job."""
    store, artifacts, days = job_store(), artifact_store(), settings().job_retention_days
    remove_old_jobs(store, artifacts, days=days)
    if isinstance(artifacts, FolderStore):
        remove_orphans(store, artifacts.root, days=days)


@cache
def _mirror_sender() -> MirrorSender | None:
    config, store = settings(), job_store()
    if config.convex_url is None or config.convex_deploy_key is None:
        return None
    client = ConvexClient(
        config.convex_url,
        config.convex_deploy_key,
        call_for=lambda job_id: breakers().of("convex", about=job_id),
    )
    return MirrorSender(store, client, public_url=config.public_url)


@cache
def _webhook_sender() -> WebhookSender | None:
    config = settings()
    if config.webhook_secret is None:
        return None
    return WebhookSender(config.webhook_secret, private_hosts=config.allow_private_hosts)


@cache
def _webhook_delivery() -> WebhookDelivery | None:
    sender = _webhook_sender()
    return None if sender is None else WebhookDelivery(job_store(), sender, public_url=settings().public_url)
