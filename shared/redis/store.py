"""Jobs in Redis. Every change is one script: new state, indexes, event and message together, or nothing.

Keys (all begin with `klip:`):
    job:ID                    the job as JSON
    lease:ID                  token of whoever works on it, expires when that process stops renewing
    events:ID                 the job's stream of events; the entries' ids are the ids of server-sent events
    index:OWNER[:status:S|:video:V]  newest first by creation time in ms, for the lists
    active, active:OWNER      ids of jobs that are not finished
    running:OWNER:FP          an unfinished job of the same source and options
    finished                  ids of finished jobs by the time they ended, for the retention
    idem:OWNER:KEY            Idempotency-Key -> job and body
    retries                   how often stages were tried again, by STAGE:CODE
What others have to be told of a change is noted in the same script: see shared.redis.outbox. What people say
about a job's highlights: shared.redis.feedback.
Messages go to the pub/sub channel job:ID in flask-sse's form.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, NamedTuple, cast

import redis

from shared.errors import DatabaseError, IdempotencyKeyReused, JobConflict, JobNotFound, RateLimitExceeded
from shared.jobs import Job, StageHeld
from shared.redis import locks, outbox
from shared.redis.feedback import edits_key
from shared.representations import event_of
from shared.stages import JobStatus

PREFIX = "klip:"
CHANNEL = PREFIX + "channel:"
RETRIES_KEY = PREFIX + "retries"
LEASE_MS = 10_000
MAX_EVENTS = 1_000  # a job's stream keeps this many, enough to replay any disconnection worth replaying
IDEMPOTENCY_S = 24 * 3600
MAX_CURSOR = 100
_MAX_CONFLICTS = 100

# What redis-py gives with decoded responses; its own annotations leave both forms open.
Entries = list[tuple[str, dict[str, str]]]

_CREATE = (
    outbox.TELL
    + """
local seen = ARGV[1] ~= '' and redis.call('GET', KEYS[1])
if seen then return {'seen', seen} end
local same = ARGV[2] == '' and redis.call('GET', KEYS[2])
if same then
  if ARGV[1] ~= '' then redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. same, 'EX', ARGV[3]) end
  return {'running', same}
end
if redis.call('SCARD', KEYS[3]) >= tonumber(ARGV[4]) then return {'full', ''} end
local id, created = ARGV[5], ARGV[7]
if ARGV[1] ~= '' then redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. id, 'EX', ARGV[3]) end
redis.call('SET', KEYS[2], id)
redis.call('SADD', KEYS[3], id)
redis.call('SADD', KEYS[4], id)
redis.call('SET', KEYS[5], ARGV[6])
for i = 11, #KEYS do redis.call('ZADD', KEYS[i], created, id) end
tell(KEYS[7], KEYS[8], KEYS[9], KEYS[10], id, 'status', ARGV[6], '', '')
local event = redis.call('XADD', KEYS[6], '*', 'message', ARGV[8])
redis.call('PUBLISH', ARGV[9], '{"id":"' .. event .. '",' .. string.sub(ARGV[8], 2))
return {'created', id}
"""
)

# What ARGV[4] asks of the lease: '' leaves it, 'drop' removes it, a token takes it if nobody holds it.
_CHANGE = (
    outbox.TELL
    + """
local now = redis.call('GET', KEYS[1])
if not now then return 'gone' end
if cjson.decode(now).seq ~= tonumber(ARGV[1]) then return 'conflict' end
if ARGV[4] == 'drop' then redis.call('DEL', KEYS[3])
elseif ARGV[4] ~= '' then
  if redis.call('EXISTS', KEYS[3]) == 1 then return 'held' end
  redis.call('SET', KEYS[3], ARGV[4], 'PX', ARGV[5])
end
redis.call('SET', KEYS[1], ARGV[2])
if KEYS[7] ~= KEYS[8] then
  local created = redis.call('ZSCORE', KEYS[7], ARGV[6])
  redis.call('ZREM', KEYS[7], ARGV[6])
  redis.call('ZADD', KEYS[8], created or ARGV[8], ARGV[6])
end
if ARGV[9] == 'terminal' then
  redis.call('SREM', KEYS[4], ARGV[6])
  redis.call('SREM', KEYS[5], ARGV[6])
  if redis.call('GET', KEYS[6]) == ARGV[6] then redis.call('DEL', KEYS[6]) end
  redis.call('ZADD', KEYS[9], ARGV[11], ARGV[6])
else
  redis.call('ZREM', KEYS[9], ARGV[6])
  redis.call('SADD', KEYS[4], ARGV[6])
  redis.call('SADD', KEYS[5], ARGV[6])
  redis.call('SET', KEYS[6], ARGV[6], 'NX')
end
tell(KEYS[10], KEYS[11], KEYS[12], KEYS[13], ARGV[6], ARGV[12], ARGV[2], ARGV[13], ARGV[14])
local event = redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[10], '*', 'message', ARGV[3])
redis.call('PUBLISH', ARGV[7], '{"id":"' .. event .. '",' .. string.sub(ARGV[3], 2))
return 'ok'
"""
)

# A lease that ran out while its holder was stalled may be taken up again as long as nobody else was given the stage.
# The token is compared with the job's: after a cancel the lease is still there, but the stage is not its holder's.
_RENEW = """
local job = redis.call('GET', KEYS[1])
if not job then return 0 end
job = cjson.decode(job)
if tostring(job.token) ~= ARGV[1] or type(job.holder) ~= 'string' then return 0 end
local lease = redis.call('GET', KEYS[2])
if lease and lease ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return 1
"""


class Created(NamedTuple):
    job: Job
    is_new: bool


class Page(NamedTuple):
    jobs: list[Job]
    next_cursor: str | None


class Event(NamedTuple):
    """One entry of a job's stream: the id for `Last-Event-ID` and the message in flask-sse's form."""

    id: str
    type: str
    data: dict[str, Any]


@contextmanager
def _redis_errors() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise DatabaseError("The job database can't be reached or refuses to write.") from error


def _ms(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp() * 1000)


def _message(job: Job) -> str:
    """The event in flask-sse's message format; the script puts the id in."""
    event = event_of(job)
    return json.dumps({"type": event["event"], "data": event}, ensure_ascii=False, separators=(",", ":"))


class JobStore:
    """All there is to know about jobs, shared by every process. Raises DatabaseError when Redis can't be used."""

    def __init__(self, client: redis.Redis) -> None:
        self.redis = client
        self._create = client.register_script(_CREATE)
        self._change = client.register_script(_CHANGE)
        self._renew = client.register_script(_RENEW)

    # --- one job --------------------------------------------------------------------------------------------------

    def get(self, job_id: str) -> Job:
        """Raises JobNotFound."""
        with _redis_errors():
            text = self.redis.get(f"{PREFIX}job:{job_id}")
        if text is None:
            raise JobNotFound
        return Job.loads(text)

    def create(
        self, job: Job, *, max_active: int, idempotency_key: str | None = None, force: bool = False, body_hash: str = ""
    ) -> Created:
        """Accept the job, or find the one that this request means.

        Raises IdempotencyKeyReused, RateLimitExceeded. Atomic, so a key never stands for a job still being made.
        """
        owner = job.owner
        idem = hashlib.sha256((idempotency_key or "").encode()).hexdigest()
        keys = [
            f"{PREFIX}idem:{owner}:{idem}",
            f"{PREFIX}running:{owner}:{job.fingerprint}",
            f"{PREFIX}active:{owner}",
            f"{PREFIX}active",
            f"{PREFIX}job:{job.job_id}",
            f"{PREFIX}events:{job.job_id}",
            *outbox.tell_keys(job.job_id),
            *_indexes(job),
        ]
        arguments: list[str | int] = [
            body_hash if idempotency_key else "",
            "force" if force else "",
            IDEMPOTENCY_S,
            max_active,
            job.job_id,
            job.dumps(),
            _ms(job.created_at),
            _message(job),
            CHANNEL + job.job_id,
        ]
        with _redis_errors():
            outcome, found = self._create(keys=keys, args=arguments)
        if outcome == "full":
            raise RateLimitExceeded(f"You have {max_active} unfinished jobs, as many as allowed.", retry_after_s=60)
        if outcome == "seen":
            seen_hash, found = found.split(" ")
            if seen_hash != body_hash:
                raise IdempotencyKeyReused
        if outcome == "created":
            return Created(job, True)
        return Created(self.get(found), False)

    def change(self, job_id: str, transition: Callable[[Job], Job], *, lease: str = "") -> Job:
        """Apply a pure transition of `shared.jobs` until it meets an unchanged job, and return the new state.

        lease: `take` (fails with StageHeld while another lease lives), `drop`, or nothing.  Raises what the
        transition raises, JobNotFound, DatabaseError.
        """
        for _ in range(_MAX_CONFLICTS):
            old = self.get(job_id)
            new = transition(old)
            if new.seq == old.seq:
                return old
            outcome = self._write(old, new, lease)
            if outcome == "ok":
                return new
            if outcome == "gone":
                raise JobNotFound
            if outcome == "held":
                raise StageHeld(job_id)
        raise DatabaseError("The job changes faster than it can be written.")

    def _write(self, old: Job, new: Job, lease: str) -> str:
        terminal = new.is_terminal
        keys = [
            f"{PREFIX}job:{new.job_id}",
            f"{PREFIX}events:{new.job_id}",
            f"{PREFIX}lease:{new.job_id}",
            f"{PREFIX}active",
            f"{PREFIX}active:{new.owner}",
            f"{PREFIX}running:{new.owner}:{new.fingerprint}",
            f"{PREFIX}index:{new.owner}:status:{old.status}",
            f"{PREFIX}index:{new.owner}:status:{new.status}",
            f"{PREFIX}finished",
            *outbox.tell_keys(new.job_id),
        ]
        webhook = outbox.webhook_event(old, new)
        arguments: list[str | int] = [
            old.seq,
            new.dumps(),
            _message(new),
            str(new.token) if lease == "take" else lease,
            LEASE_MS,
            new.job_id,
            CHANNEL + new.job_id,
            _ms(new.created_at),
            "terminal" if terminal else "",
            MAX_EVENTS,
            _ms(new.updated_at),
            "status" if new.status is not old.status else "",
            outbox.event_id(new, webhook) if webhook else "",
            json.dumps(outbox.new_record(new, webhook)) if webhook else "",
        ]
        with _redis_errors():
            return str(self._change(keys=keys, args=arguments))

    def renew_lease(self, job_id: str, token: int) -> bool:
        """Whether the stage is still ours; if so the lease lives for another LEASE_MS."""
        with _redis_errors():
            keys = [f"{PREFIX}job:{job_id}", f"{PREFIX}lease:{job_id}"]
            return bool(self._renew(keys=keys, args=[str(token), LEASE_MS]))

    def count_retry(self, stage: str, code: str) -> None:
        """Count a retry for the operators' figures; not while Redis can't be written."""
        with suppress(redis.RedisError):
            self.redis.hincrby(RETRIES_KEY, f"{stage}:{code}")

    def has_lease(self, job_id: str) -> bool:
        with _redis_errors():
            return bool(self.redis.exists(f"{PREFIX}lease:{job_id}"))

    @contextmanager
    def held(self, job_id: str) -> Iterator[bool]:
        """Whether nobody works on the job, and nobody can claim a stage of it inside, even if it is retried."""
        with _redis_errors(), locks.held(self.redis, f"{PREFIX}lease:{job_id}", life_s=LEASE_MS / 1000) as here:
            yield here

    def release(self, job_id: str, token: int) -> None:
        """Give up the lease of this claim, if it still is that claim's."""
        with _redis_errors():
            locks.release(self.redis, f"{PREFIX}lease:{job_id}", token=str(token))

    def delete(self, job: Job) -> None:
        """Forget a finished job. Raises JobConflict for any other."""
        if not job.is_terminal:
            raise JobConflict
        with _redis_errors(), self.redis.pipeline() as pipe:
            for index in (*_indexes(job), f"{PREFIX}finished"):
                pipe.zrem(index, job.job_id)
            pipe.delete(*(f"{PREFIX}{kind}:{job.job_id}" for kind in ("job", "events", "lease")))
            pipe.zrem(outbox.MIRROR_DUE, job.job_id)
            pipe.delete(*outbox.mirror_keys(job.job_id), outbox.webhooks_key(job.job_id), edits_key(job.job_id))
            pipe.execute()

    # --- many jobs ------------------------------------------------------------------------------------------------

    def active(self) -> list[Job]:
        """Every job that is not finished."""
        with _redis_errors():
            ids = sorted(str(job_id) for job_id in self.redis.smembers(f"{PREFIX}active"))
        return self._load(ids)

    def finished_before(self, moment: str, *, limit: int = 100) -> list[Job]:
        """Jobs that ended before `moment`, oldest first."""
        with _redis_errors():
            ids = self.redis.zrange(f"{PREFIX}finished", "-inf", _ms(moment), byscore=True, offset=0, num=limit)
        return self._load([str(job_id) for job_id in ids])

    def count_by_status(self, owners: Iterable[str]) -> dict[JobStatus, int]:
        """How many jobs of these owners are kept in each status."""
        names = list(owners)
        with _redis_errors(), self.redis.pipeline(transaction=False) as pipe:
            for status in JobStatus:
                for owner in names:
                    pipe.zcard(f"{PREFIX}index:{owner}:status:{status}")
            counts = iter(pipe.execute())
        return {status: sum(next(counts) for _ in names) for status in JobStatus}

    def page(
        self,
        owner: str,
        *,
        status: JobStatus | None = None,
        video_id: str | None = None,
        limit: int = 20,
        cursor: str | None = None,
    ) -> Page:
        """The owner's jobs, newest first, after `cursor` (of an earlier page). Raises ValueError on a bad cursor."""
        name = f"{PREFIX}index:{owner}"
        if video_id is not None:
            name += f":video:{video_id}"
        elif status is not None:
            name += f":status:{status}"
        start = self._rank_after(name, cursor)
        found: list[Job] = []
        while True:
            with _redis_errors():
                ids = [str(job_id) for job_id in self.redis.zrange(name, start, start + limit, desc=True)]
            for job in self._load(ids):
                if status is not None and job.status is not status:
                    continue
                if len(found) == limit:
                    return Page(found, _cursor(found[-1]))
                found.append(job)
            if len(ids) <= limit:
                return Page(found, None)
            start += len(ids)

    def _rank_after(self, name: str, cursor: str | None) -> int:
        """Where the list goes on behind the job that the cursor names, even if that job is gone."""
        if not cursor:
            return 0
        created_ms, separator, job_id = cursor.partition("-")
        if not (separator and created_ms.isdigit() and len(cursor) < MAX_CURSOR):
            raise ValueError("not a cursor")
        with _redis_errors():
            rank = self.redis.zrevrank(name, job_id)
            return cast("int", rank) + 1 if rank is not None else int(self.redis.zcount(name, int(created_ms), "+inf"))

    def _load(self, ids: list[str]) -> list[Job]:
        if not ids:
            return []
        with _redis_errors():
            texts = self.redis.mget([f"{PREFIX}job:{job_id}" for job_id in ids])
        return [Job.loads(text) for text in texts if text is not None]

    # --- events ---------------------------------------------------------------------------------------------------

    def events_after(self, job_id: str, event_id: str) -> list[Event] | None:
        """What happened after `event_id`; None when that event is not known (any more)."""
        with _redis_errors():
            try:
                if not self.redis.xrange(f"{PREFIX}events:{job_id}", event_id, event_id):
                    return None
                entries = self.redis.xrange(f"{PREFIX}events:{job_id}", f"({event_id}")
            except redis.ResponseError:
                return None
        return [_event(entry_id, fields["message"]) for entry_id, fields in cast("Entries", entries)]

    def last_event(self, job_id: str) -> Event | None:
        """The latest event: the job's present state, with its id."""
        with _redis_errors():
            entries = cast("Entries", self.redis.xrevrange(f"{PREFIX}events:{job_id}", count=1))
        return _event(entries[0][0], entries[0][1]["message"]) if entries else None


def _cursor(job: Job) -> str:
    return f"{_ms(job.created_at)}-{job.job_id}"


def _indexes(job: Job) -> list[str]:
    base = f"{PREFIX}index:{job.owner}"
    names = [base, f"{base}:status:{job.status}"]
    return [*names, f"{base}:video:{job.video_id}"] if job.video_id else names


def _event(entry_id: str, message: str) -> Event:
    record = json.loads(message)
    return Event(entry_id, record["type"], record["data"])
