"""What the delivery pool still has to tell others: kept in Redis by the same script that changes the job.

An entry of a `due` set goes only when what it stands for was delivered, refused for good, or given up.
"""

import json
from typing import Any

import redis

from shared.jobs import Job
from shared.redaction import without_secrets
from shared.redis import keys
from shared.stages import TERMINAL, JobStatus

MIRROR_EVERY_MS = 2_000  # between two sends of a job whose status stays the same
MAX_STATES = 60
STATES_TTL_S = 48 * 3600
TELL_LIMITS = (MAX_STATES, STATES_TTL_S, MIRROR_EVERY_MS)  # as tell.lua takes them


def tell_keys(job_id: str) -> list[str]:
    """The keys that tell.lua takes, in its order."""
    return [keys.MIRROR_DUE, keys.mirror_states(job_id), keys.WEBHOOKS_DUE, keys.webhooks(job_id)]


def webhook_event(old: Job, new: Job) -> str:
    """The event that this change means to the receiver of webhooks; empty when it means none."""
    if new.callback_url is None or old.status is new.status:
        return ""
    if new.status in TERMINAL:
        return f"job.{new.status.value}"
    return "job.started" if old.status is JobStatus.QUEUED else ""


def event_id(job: Job, event: str) -> str:
    """The same for the same event however often it is sent: the receiver's key to drop doubles."""
    return f"msg_{job.job_id}_{job.attempt}_{event.partition('.')[2]}"


def new_record(job: Job, event: str) -> dict[str, Any]:
    """An event to be delivered; `job` is taken out when it was."""
    return {
        "id": event_id(job, event),
        "type": event,
        "url": job.callback_url,
        "state": "pending",
        "created_at": job.updated_at,
        "next_try_at": job.updated_at,
        "tries": [],
        "job": job.dumps(),
    }


def deliveries(client: redis.Redis, job_id: str) -> list[dict[str, Any]]:
    """The events of a job and what became of them, oldest first."""
    records = [json.loads(text) for text in client.hvals(keys.webhooks(job_id))]
    shown = [_shown(record) for record in records]
    return sorted(shown, key=lambda record: (record["created_at"], record["id"]))


def _shown(record: dict[str, Any]) -> dict[str, Any]:
    shown = {name: value for name, value in record.items() if name != "job"}
    return shown | {"url": without_secrets(record["url"])}
