"""Jobs in Redis. Every change is one script: new state, indexes, event and message together, or nothing.

What others have to be told of a change is noted in the same script: see `outbox`. Messages go out in flask-sse's form.
What people say about a job's highlights: see `feedback`.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import NamedTuple, cast

import redis

from shared import jobs
from shared.errors import DatabaseError, JobConflict, JobNotFound
from shared.jobs import Job, StageHeld, ms_of
from shared.redis import keys, locks, outbox
from shared.redis.admission import (
    DOORS,
    LOW_EVERY,
    Admission,
    admit_call,
    ahead_keys,
    place_arguments,
    place_keys,
    standing_of,
)
from shared.redis.connection import redis_errors
from shared.redis.counters import field_of_the_end
from shared.redis.creation import create_call, made_or_found, message_of, too_many
from shared.redis.lists import JobLists, indexes
from shared.redis.script import Script
from shared.stages import JobStatus

LEASE_MS = 10_000
MAX_EVENTS = 1_000  # a job's stream keeps this many, enough to replay any disconnection worth replaying
SCAN_BATCH = 500
_MAX_CONFLICTS = 100

# What redis-py gives with decoded responses; its own annotations leave both forms open.
Entries = list[tuple[str, dict[str, str]]]


class Created(NamedTuple):
    """The job of a submission. is_new: False for one that was there before."""

    job: Job
    is_new: bool


class Seen(NamedTuple):
    """A job as it stands.  ahead: how many jobs go before it to the queues, as an estimate; None: it does not wait."""

    job: Job
    ahead: int | None


class Submitted(NamedTuple):
    """What came of a submission.  admitted: ids of jobs to be sent now, whoever's they are."""

    seen: Seen
    is_new: bool
    admitted: tuple[str, ...]


class Event(NamedTuple):
    """One entry of a job's stream: the id for `Last-Event-ID` and the message in flask-sse's form."""

    id: str
    type: str
    data: Mapping[str, object]


class JobStore:
    """All there is to know about jobs, shared by every process. Raises DatabaseError when Redis can't be used."""

    def __init__(self, client: redis.Redis) -> None:
        self.redis = client
        self.admission = Admission(client)
        self.lists = JobLists(client)
        self._look = Script(client, "look")
        self._create = Script(client, "create")
        self._submit = Script(client, "submit")
        self._change = Script(client, "change")
        self._renew = Script(client, "renew")
        self._forget = Script(client, "forget")

    # --- one job --------------------------------------------------------------------------------------------------

    def get(self, job_id: str) -> Job:
        """Raises JobNotFound."""
        with redis_errors():
            text = self.redis.get(keys.job(job_id))
        if text is None:
            raise JobNotFound
        return Job.loads(text)

    def look(self, job_id: str, *, owner: str) -> Seen:
        """The job, and what goes before it if it is this owner's. Raises JobNotFound."""
        with redis_errors():
            text, ahead = self._look([keys.job(job_id), *DOORS], [LOW_EVERY, job_id, owner])
        if text is None:
            raise JobNotFound
        return Seen(Job.loads(text), None if ahead < 0 else ahead)

    def create(
        self, job: Job, *, max_active: int, idempotency_key: str | None = None, force: bool = False, body_hash: str = ""
    ) -> Created:
        """Accept the job, or find the one that this request means.

        Raises IdempotencyKeyReused, RateLimitExceeded. Atomic, so a key never stands for a job still being made.
        """
        names, arguments = create_call(job, max_active, idempotency_key, body_hash, force=force)
        with redis_errors():
            outcome, found = self._create(names, arguments)
        job_id = made_or_found(outcome, found, max_active, body_hash)
        return Created(job, True) if outcome == "created" else Created(self.get(job_id), False)

    def submit(
        self,
        job: Job,
        *,
        max_active: int,
        admit: int,
        idempotency_key: str | None = None,
        force: bool = False,
        body_hash: str = "",
    ) -> Submitted:
        """As `create`; a new job is admitted with others whose turn it is, `admit` at most, if there is room."""
        names, arguments = create_call(job, max_active, idempotency_key, body_hash, force=force)
        admit_names, admit_arguments = admit_call(admit)
        standing, priority = standing_of(job), job.options.priority
        if standing is None:
            raise ValueError("an ended job can't be submitted")
        sizes: list[str | int] = [len(names), len(arguments), priority, LOW_EVERY]
        places = ahead_keys(standing.queue, priority, job.owner)
        with redis_errors():
            (outcome, found), admitted, ahead = self._submit(
                [*names, *admit_names, *places], [*sizes, *arguments, *admit_arguments]
            )
        job_id = made_or_found(outcome, found, max_active, body_hash)
        if outcome != "created":
            return Submitted(self.look(job_id, owner=job.owner), False, ())
        return Submitted(Seen(job, None if ahead < 0 else ahead), True, tuple(admitted))

    def change(
        self, job_id: str, transition: Callable[[Job], Job], *, lease: str = "", max_active: int | None = None
    ) -> Job:
        """Apply a pure transition of `shared.jobs` until it meets an unchanged job, and return the new state.

        lease: `take` (fails with StageHeld while another lease lives), `drop`, or nothing.  max_active: of the owner,
        when this begins a job again.  Raises what the transition raises, JobNotFound, RateLimitExceeded, DatabaseError.
        """
        for _ in range(_MAX_CONFLICTS):
            old = self.get(job_id)
            new = transition(old)
            if new.seq == old.seq:
                return old
            outcome = self._write(old, new, lease, max_active)
            if outcome == "ok":
                return new
            if outcome == "gone":
                raise JobNotFound
            if outcome == "held":
                raise StageHeld(job_id)
            if outcome == "full":
                raise too_many(max_active)
        raise DatabaseError("The job changes faster than it can be written.")

    def _write(self, old: Job, new: Job, lease: str, max_active: int | None) -> str:
        terminal = new.is_terminal
        before, after = set(indexes(old)), set(indexes(new))
        of_status = {keys.index(job.owner, status=job.status) for job in (old, new)}  # they change places apart
        joined, left = sorted(after - before - of_status), sorted(before - after - of_status)
        names = [
            keys.job(new.job_id),
            keys.events(new.job_id),
            keys.lease(new.job_id),
            keys.ACTIVE,
            keys.active_of(new.owner),
            keys.running(new.owner, new.fingerprint),
            keys.index(new.owner, status=old.status),
            keys.index(new.owner, status=new.status),
            keys.FINISHED,
            keys.CANCELLED,
            *outbox.tell_keys(new.job_id),
            *place_keys(old, new),
            keys.COUNTERS,
            *joined,
            *left,
        ]
        webhook = outbox.webhook_event(old, new)
        arguments: list[str | int] = [
            old.seq,
            new.dumps(),
            message_of(new),
            str(new.token) if lease == "take" else lease,
            LEASE_MS,
            new.job_id,
            keys.channel(new.job_id),
            ms_of(new.created_at),
            "terminal" if terminal else "",
            MAX_EVENTS,
            ms_of(new.updated_at),
            "status" if new.status is not old.status else "",
            outbox.event_id(new, webhook) if webhook else "",
            json.dumps(outbox.new_record(new, webhook)) if webhook else "",
            *outbox.TELL_LIMITS,
            *place_arguments(old, new),
            "cancelled" if new.status is JobStatus.CANCELLED else "",
            max_active if max_active is not None and old.is_terminal and not terminal else "",
            len(joined),
            field_of_the_end(old, new),
        ]
        with redis_errors():
            return str(self._change(names, arguments))

    def renew_lease(self, job_id: str, token: int) -> bool:
        """Whether the stage is still ours; if so the lease lives for another LEASE_MS."""
        with redis_errors():
            return bool(self._renew([keys.job(job_id), keys.lease(job_id), keys.HELD], [token, LEASE_MS, job_id]))

    def count_retry(self, stage: str, code: str) -> None:
        """Count a retry for the operators' figures; not while Redis can't be written."""
        with suppress(redis.RedisError):
            self.redis.hincrby(keys.RETRIES, f"{stage}:{code}")

    @contextmanager
    def held(self, job_id: str) -> Iterator[bool]:
        """Whether nobody works on the job, and nobody can claim a stage of it inside, even if it is retried."""
        with redis_errors(), locks.held(self.redis, keys.lease(job_id), life_s=LEASE_MS / 1000) as here:
            yield here

    def release(self, job_id: str, token: int) -> None:
        """Give up the lease of this claim, if it still is that claim's."""
        with redis_errors():
            locks.release(self.redis, keys.lease(job_id), token=str(token))

    def delete(self, job: Job, *, tell_mirror: bool = False) -> None:
        """Forget a finished job as it was read. tell_mirror: its row goes too.

        Raises JobConflict for a job that is not finished, or has changed since; a job that is gone is as wanted.
        """
        if not job.is_terminal:
            raise JobConflict
        removed = jobs.remove(job)
        names = [
            keys.job(job.job_id),
            keys.events(job.job_id),
            keys.MIRROR_DUE,
            keys.mirror_states(job.job_id),
            keys.mirror_failing(job.job_id),
            keys.WEBHOOKS_DUE,
            keys.webhooks(job.job_id),
            keys.edits(job.job_id),
            keys.FINISHED,
            keys.CANCELLED,
            *indexes(job),
        ]
        last_state = removed.dumps() if tell_mirror else ""
        with redis_errors():
            outcome = self._forget(names, [job.seq, job.job_id, last_state, outbox.STATES_TTL_S])
        if outcome == "conflict":
            raise JobConflict("The job has begun again.")

    # --- many jobs ------------------------------------------------------------------------------------------------

    def active_ids(self) -> Iterator[list[str]]:
        """The ids of every job that is not finished, a batch at a time; one may come twice."""
        cursor = 0
        while True:
            with redis_errors():
                cursor, found = cast("tuple[int, list[str]]", self.redis.sscan(keys.ACTIVE, cursor, count=SCAN_BATCH))
            yield list(found)
            if not cursor:
                return

    def finished_before(self, moment: str, *, limit: int = 100) -> list[Job]:
        """Jobs that ended before `moment`, oldest first."""
        with redis_errors():
            ids = self.redis.zrange(keys.FINISHED, "-inf", ms_of(moment), byscore=True, offset=0, num=limit)
        return self.load([str(job_id) for job_id in ids])

    def cancelled_before(self, moment: str, *, limit: int = 100) -> list[Job]:
        """Jobs that were cancelled before `moment` and still have files, oldest first."""
        with redis_errors():
            ids = self.redis.zrange(keys.CANCELLED, "-inf", ms_of(moment), byscore=True, offset=0, num=limit)
        return self.load([str(job_id) for job_id in ids])

    def files_are_gone(self, job_id: str) -> None:
        """What a cancelled job had finished has been removed."""
        with redis_errors():
            self.redis.zrem(keys.CANCELLED, job_id)

    def count_by_status(self, owners: Iterable[str]) -> dict[JobStatus, int]:
        """How many jobs of these owners are kept in each status."""
        names = list(owners)
        with redis_errors(), self.redis.pipeline(transaction=False) as pipe:
            for status in JobStatus:
                for owner in names:
                    pipe.zcard(keys.index(owner, status=status))
            counts = iter(pipe.execute())
        return {status: sum(next(counts) for _ in names) for status in JobStatus}

    def load(self, ids: list[str]) -> list[Job]:
        """The jobs of these ids that are there, in this order."""
        return [job for job in self.lists.load(ids) if job is not None]

    # --- events ---------------------------------------------------------------------------------------------------

    def events_after(self, job_id: str, event_id: str) -> list[Event] | None:
        """What happened after `event_id`; None when that event is not known (any more)."""
        with redis_errors():
            try:
                if not self.redis.xrange(keys.events(job_id), event_id, event_id):
                    return None
                entries = self.redis.xrange(keys.events(job_id), f"({event_id}")
            except redis.ResponseError:
                return None
        return [_event(entry_id, fields["message"]) for entry_id, fields in cast("Entries", entries)]

    def last_event(self, job_id: str) -> Event | None:
        """The latest event: the job's present state, with its id."""
        with redis_errors():
            entries = cast("Entries", self.redis.xrevrange(keys.events(job_id), count=1))
        return _event(entries[0][0], entries[0][1]["message"]) if entries else None


def _event(entry_id: str, message: str) -> Event:
    record = json.loads(message)
    return Event(entry_id, record["type"], record["data"])
