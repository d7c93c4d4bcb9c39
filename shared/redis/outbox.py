"""What the delivery pool still has to tell others: kept in Redis by the same script that changes the job.

Keys (all begin with `klip:`):
    mirror:due             ids of jobs whose mirror may be behind, by the time (ms) of the next send
    mirror:states:ID       the job at each change of status that was not mirrored yet, oldest first
    mirror:failing:ID      since when (ms) sending fails, and how often it did
    mirror:lock:ID         whose turn it is
    webhooks:due           JOB/EVENT of each event that is not delivered, by the time (ms) of the next try
    webhooks:job:ID        every event of the job by its id: what was answered
An entry of a `due` set goes only when what it stands for was delivered, refused for good, or given up.
"""

import json
from typing import Any

import redis

from shared.jobs import Job
from shared.stages import TERMINAL, JobStatus

PREFIX = "klip:"
MIRROR_DUE = PREFIX + "mirror:due"
WEBHOOKS_DUE = PREFIX + "webhooks:due"
MIRROR_EVERY_MS = 2_000  # between two sends of a job whose status stays the same
MAX_STATES = 60
STATES_TTL_S = 48 * 3600

# The end of both scripts of shared.redis.store. KEYS: mirror:due, mirror:states, webhooks:due, webhooks:job.
# ARGV: job id, 'status' if that changed, the job, event id or '', the event's record.
TELL = f"""
local function tell(due, states, hooks, events, id, changed, job, event, record)
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  if changed == 'status' then
    redis.call('ZADD', due, now, id)
    redis.call('RPUSH', states, job)
    redis.call('LTRIM', states, -{MAX_STATES}, -1)
    redis.call('EXPIRE', states, {STATES_TTL_S})
  else
    redis.call('ZADD', due, 'NX', now + {MIRROR_EVERY_MS}, id)
  end
  if event ~= '' and redis.call('HSETNX', events, event, record) == 1 then
    redis.call('ZADD', hooks, now, id .. '/' .. event)
  end
end
"""


def tell_keys(job_id: str) -> list[str]:
    """The keys that `TELL` takes, in its order."""
    return [MIRROR_DUE, states_key(job_id), WEBHOOKS_DUE, webhooks_key(job_id)]


def states_key(job_id: str) -> str:
    return f"{PREFIX}mirror:states:{job_id}"


def webhooks_key(job_id: str) -> str:
    return f"{PREFIX}webhooks:job:{job_id}"


def mirror_keys(job_id: str) -> list[str]:
    """What is kept about the mirroring of one job."""
    return [states_key(job_id), *(f"{PREFIX}mirror:{kind}:{job_id}" for kind in ("failing", "lock"))]


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
    records = [json.loads(text) for text in client.hvals(webhooks_key(job_id))]
    shown = [{name: value for name, value in record.items() if name != "job"} for record in records]
    return sorted(shown, key=lambda record: (record["created_at"], record["id"]))
