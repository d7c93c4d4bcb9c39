"""How a job is accepted: what create.lua takes, and what its answer means."""

import hashlib
import json

from shared.errors import IdempotencyKeyReused, RateLimitExceeded
from shared.jobs import Job, ms_of
from shared.redis import keys, outbox
from shared.redis.admission import place_keys, waits_since_ms
from shared.redis.lists import indexes
from shared.representations import event_of

IDEMPOTENCY_S = 24 * 3600


def message_of(job: Job) -> str:
    """The event in flask-sse's message format; the script puts the id in."""
    event = event_of(job)
    return json.dumps({"type": event["event"], "data": event}, ensure_ascii=False, separators=(",", ":"))


def create_call(
    job: Job, max_active: int, idempotency_key: str | None, body_hash: str, *, force: bool
) -> tuple[list[str], list[str | int]]:
    """Keys and arguments of create.lua."""
    idem = hashlib.sha256((idempotency_key or "").encode()).hexdigest()
    names = [
        keys.idempotency(job.owner, idem),
        keys.running(job.owner, job.fingerprint),
        keys.active_of(job.owner),
        keys.ACTIVE,
        keys.job(job.job_id),
        keys.events(job.job_id),
        *outbox.tell_keys(job.job_id),
        *place_keys(job, job),
        *indexes(job),
    ]
    arguments: list[str | int] = [
        body_hash if idempotency_key else "",
        "force" if force else "",
        IDEMPOTENCY_S,
        max_active,
        job.job_id,
        job.dumps(),
        ms_of(job.created_at),
        message_of(job),
        keys.channel(job.job_id),
        *outbox.TELL_LIMITS,
        job.owner,
        waits_since_ms(job),
    ]
    return names, arguments


def made_or_found(outcome: str, found: str, max_active: int, body_hash: str) -> str:
    """The id in create.lua's answer. Raises IdempotencyKeyReused, RateLimitExceeded."""
    if outcome == "full":
        raise too_many(max_active)
    if outcome == "seen":
        seen_hash, found = found.split(" ")
        if seen_hash != body_hash:
            raise IdempotencyKeyReused
    return found


def too_many(max_active: int | None) -> RateLimitExceeded:
    return RateLimitExceeded(f"You have {max_active} unfinished jobs, as many as allowed.", retry_after_s=60)
