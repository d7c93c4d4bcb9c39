"""What the delivery pool still has to tell others: kept in Redis by the same script that changes the job.

An entry of a `due` set goes only when what it stands for was delivered, refused for good, or given up.
"""

import json
from typing import NotRequired, TypedDict

import redis
from redis.client import Pipeline

from shared.errors import JobConflict, NotFound
from shared.jobs import EVENTS, STARTED, Job, ms_of, utc_now
from shared.redaction import without_secrets
from shared.redis import keys
from shared.redis.connection import redis_errors
from shared.stages import TERMINAL, JobStatus

MIRROR_EVERY_MS = 2_000  # between two sends of a job whose status stays the same
MAX_STATES = 60
MAX_TRIES = 50  # of one event, by hand too
STATES_TTL_S = 48 * 3600
TELL_LIMITS = (MAX_STATES, STATES_TTL_S, MIRROR_EVERY_MS)  # as tell.lua takes them


class Try(TypedDict):
    """One request to the receiver. status: None when there was no answer; then error says why."""

    at: str
    seconds: float
    status: int | None
    answer: str
    error: str | None


class Delivery(TypedDict):
    """An event to be delivered and what became of it. Times are UTC ISO 8601.

    state: pending, delivered, gone or failed.  job: as it was at the event.
    by_hand, tries_before: it is sent again because somebody asked, after so many tries.
    """

    id: str
    type: str
    url: str
    state: str
    created_at: str
    next_try_at: str | None
    tries: list[Try]
    job: NotRequired[str]
    by_hand: NotRequired[bool]
    tries_before: NotRequired[int]


def tell_keys(job_id: str) -> list[str]:
    """The keys that tell.lua takes, in its order."""
    return [keys.MIRROR_DUE, keys.mirror_states(job_id), keys.WEBHOOKS_DUE, keys.webhooks(job_id)]


def webhook_event(old: Job, new: Job) -> str:
    """The event that this change means to the receiver of webhooks; empty when it means none."""
    if new.callback_url is None or old.status is new.status:
        return ""
    begins = old.status is JobStatus.QUEUED and new.status not in TERMINAL
    event = STARTED if begins else f"job.{new.status.value}"
    return event if event in (new.callback_events or EVENTS) else ""


def event_id(job: Job, event: str) -> str:
    """The same for the same event however often it is sent: the receiver's key to drop doubles."""
    return f"msg_{job.job_id}_{job.attempt}_{event.partition('.')[2]}"


def new_record(job: Job, event: str) -> Delivery:
    """An event to be delivered. `job` stays as long as the job does, so that it can be sent again."""
    return {
        "id": event_id(job, event),
        "type": event,
        "url": job.callback_url or "",
        "state": "pending",
        "created_at": job.updated_at,
        "next_try_at": job.updated_at,
        "tries": [],
        "job": job.dumps(),
    }


def deliveries(client: redis.Redis, job_id: str) -> list[Delivery]:
    """The events of a job and what became of them, oldest first."""
    records: list[Delivery] = [json.loads(text) for text in client.hvals(keys.webhooks(job_id))]
    shown = [_shown(record) for record in records]
    return sorted(shown, key=lambda record: (record["created_at"], record["id"]))


def _shown(record: Delivery) -> Delivery:
    shown: Delivery = {**record, "url": without_secrets(record["url"])}
    shown.pop("job", None)
    shown.pop("by_hand", None)
    shown.pop("tries_before", None)
    return shown


def replay(client: redis.Redis, job_id: str, delivery_id: str) -> Delivery:
    """Make an event due again, with the same id and body, whatever came of it before; how it stands now.

    Raises NotFound, JobConflict when it was tried too often or its body is not kept, DatabaseError.
    """
    name = keys.webhooks(job_id)
    outcome: list[Delivery] = []

    def write(pipe: Pipeline) -> None:
        text = pipe.hget(name, delivery_id)
        if text is None:
            raise NotFound("The job has no such delivery.")
        record: Delivery = json.loads(str(text))
        if "job" not in record:
            raise JobConflict("The body of this event is not kept any more.")
        if len(record["tries"]) >= MAX_TRIES:
            raise JobConflict(f"This event has been tried {MAX_TRIES} times.")
        now = utc_now()
        record["state"], record["next_try_at"] = "pending", now
        record["by_hand"], record["tries_before"] = True, len(record["tries"])
        pipe.multi()
        pipe.hset(name, delivery_id, json.dumps(record))
        pipe.zadd(keys.WEBHOOKS_DUE, {f"{job_id}/{delivery_id}": ms_of(now)})
        outcome[:] = [_shown(record)]

    with redis_errors():
        client.transaction(write, name)
    return outcome[0]
