"""Who may go on to the queues: owners take turns, so that one owner's hundreds of jobs do not make another's wait.

A job waits in a list of its owner until it is admitted to the queue where it begins; from then on it is under way, and
its next stages go straight to their queues, ahead of all that still wait here. So the queues themselves stay short:
PLACES_A_CHILD jobs for each child of the workers that live are under way, at each queue where jobs begin and together.
What waits for its next try takes no place until that is due, but counts for its owner.

Where a job stands is written by the scripts that write the job, and with it when the reaper has to look at it, so that
a sweep reads what is due and nothing else: see `scripts/place.lua`.
"""

from collections.abc import Sequence
from typing import NamedTuple, cast

import redis

from shared.jobs import PRIORITIES, Job, ms_of
from shared.net.retry import LONGEST_WAIT_S
from shared.redis import keys
from shared.redis.connection import redis_errors
from shared.redis.pools import SILENT_S
from shared.redis.script import Script
from shared.stages import STAGE_BY_NAME, STAGES, JobStatus

PLACES_A_CHILD = 2
# Of all places: what an owner may have under way, those included that wait for their next try.
OWNER_SHARE = 4
# A waiting stage is looked for this long after it was due: a worker that has just taken the message claims it within.
UNSENT_MS = 10_000
# No stage is put off for longer: who waits until later than this was written by a clock that has been set back since.
LONGEST_PUT_OFF_MS = int(2 * LONGEST_WAIT_S * 1000)
LOOK_AGAIN_MS = 2_000  # for a job whose lease is gone and whose state did not change
MOST_DUE = 1_000
LOW_EVERY = 5  # low jobs get every fifth admission while normal ones wait too
STAGE_QUEUES = tuple(dict.fromkeys(stage.queue for stage in STAGES))
SAME = "same"


# The keys of the owners that wait, of each queue those with normal jobs and those with low ones.
DOORS = tuple(keys.waiting_owners(queue, priority) for queue in STAGE_QUEUES for priority in PRIORITIES)


class Due(NamedTuple):
    """Ids of jobs to be looked at.  lost: their lease has run out.  untaken: no worker has taken their message."""

    lost: list[str]
    untaken: list[str]


class QueueCounts(NamedTuple):
    """waiting: jobs that wait for a worker, admitted or not.  longest_wait_s: of those; None when there are none."""

    waiting: int
    at_work: int
    longest_wait_s: float | None


class Standing(NamedTuple):
    """queue: of the stage at work or next.  stands: `waiting` for admission, or `underway` and due from due_ms on."""

    queue: str
    stands: str
    due_ms: int = 0


def standing_of(job: Job) -> Standing | None:
    """Where the job stands, as far as its state tells: one that is queued may have been admitted. None when ended."""
    if job.is_terminal or job.stage is None:
        return None
    queue = STAGE_BY_NAME[job.stage].queue
    if job.status is JobStatus.QUEUED:
        return Standing(queue, "waiting")
    return Standing(
        queue, "underway", 0 if job.holder is not None or not job.waiting_since else ms_of(job.waiting_since)
    )


def place_keys(old: Job, new: Job) -> list[str]:
    """The keys that place.lua takes, in its order."""
    before = standing_of(old)
    after = standing_of(new) or before
    queues = [STAGES[0].queue if one is None else one.queue for one in (before or after, after)]
    names = []
    for queue in queues:
        names.append(keys.waiting_owners(queue, new.options.priority))
        names.append(keys.waiting(queue, new.options.priority, new.owner))
        names.append(keys.underway(queue))
    return [*names, keys.underway_of(new.owner), keys.TURNS, keys.HELD, keys.UNTAKEN]


def admit_call(limit: int) -> tuple[list[str], list[str | int]]:
    """Keys and arguments of admit_jobs.lua."""
    names = [keys.TURNS, keys.ADMISSIONS, keys.UNTAKEN]
    for queue in reversed(STAGE_QUEUES):
        names += [keys.waiting_owners(queue, priority) for priority in PRIORITIES]
        names += [keys.underway(queue), keys.workers(queue)]
    return names, [limit, PLACES_A_CHILD, OWNER_SHARE, SILENT_S, LOW_EVERY, keys.UNDERWAY_OF]


def ahead_keys(queue: str, priority: str, owner: str) -> list[str]:
    """The keys of ahead.lua: owners that wait there with jobs of this priority, of the other one, this owner's jobs."""
    other = next(one for one in PRIORITIES if one != priority)
    owners = [keys.waiting_owners(queue, one) for one in (priority, other)]
    return [*owners, keys.waiting(queue, priority, owner)]


def waits_since_ms(job: Job) -> int:
    """Since when the job waits, or has waited last."""
    return ms_of(job.waiting_since or job.created_at)


def place_arguments(old: Job | None, new: Job) -> list[str | int]:
    """Owner, since when the job waits, where it stands and due from when, as the scripts take them."""
    after = standing_of(new)
    if old is not None and standing_of(old) == after:
        return [new.owner, 0, SAME, 0]
    return [new.owner, waits_since_ms(new), after.stands if after else "", after.due_ms if after else 0]


class Admission:
    """The lists of jobs that wait and are under way. Raises DatabaseError when Redis can't be used."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._admit = Script(client, "admit_jobs")
        self._enrol = Script(client, "enrol")
        self._positions = Script(client, "positions")
        self._due = Script(client, "due_jobs")
        self._count = Script(client, "count_waiting")

    def admit(self, *, limit: int) -> list[str]:
        """Ids of jobs that may go to the queues now, `limit` at most; whoever asks sends them."""
        with redis_errors():
            found = self._admit(*admit_call(limit))
        return [str(job_id) for job_id in found]

    def ahead_of(self, jobs: Sequence[Job]) -> dict[str, int | None]:
        """How many jobs go before each of these to the queues, as an estimate; None for one that does not wait."""
        standing = [(job, stands) for job in jobs if (stands := standing_of(job)) is not None]
        if not standing:
            return {}
        names: list[str] = []
        arguments: list[str | int] = [LOW_EVERY]
        for job, stands in standing:
            names += ahead_keys(stands.queue, job.options.priority, job.owner)
            arguments += [job.job_id, job.owner, job.options.priority]
        with redis_errors():
            found = self._positions(names, arguments)
        return {job.job_id: None if ahead < 0 else ahead for (job, _), ahead in zip(standing, found, strict=True)}

    def under_way(self) -> dict[str, float]:
        """When (ms) each admitted job was due, by its id; 0 while it is worked on."""
        with redis_errors(), self._redis.pipeline(transaction=False) as pipe:
            for queue in STAGE_QUEUES:
                pipe.zrange(keys.underway(queue), 0, -1, withscores=True)
            found = cast("list[list[tuple[str, float]]]", pipe.execute())
        return {job_id: due for queue in found for job_id, due in queue}

    def counts(self) -> dict[str, QueueCounts]:
        """What waits and what is worked on, by queue."""
        names = []
        for queue in STAGE_QUEUES:
            names += [*(keys.waiting_owners(queue, priority) for priority in PRIORITIES), keys.underway(queue)]
        with redis_errors():
            found = self._count(names, [len(PRIORITIES) + 1])
        return {
            queue: QueueCounts(int(waiting), int(at_work), None if wait_ms < 0 else wait_ms / 1000)
            for queue, (waiting, at_work, wait_ms) in zip(STAGE_QUEUES, found, strict=True)
        }

    def due(self, *, lease_ms: int, is_grace: bool) -> Due:
        """The jobs that have to be looked at now, MOST_DUE of each kind at most.

        lease_ms: life of a lease.  is_grace: holders may still take up leases that ran out.
        """
        times = [lease_ms, UNSENT_MS, LONGEST_PUT_OFF_MS, LOOK_AGAIN_MS]
        with redis_errors():
            found = self._due([keys.HELD, keys.UNTAKEN], [keys.LEASE, MOST_DUE, "grace" if is_grace else "", *times])
        return Due(*([str(job_id) for job_id in ids] for ids in found))

    def has_due(self, now_ms: int, *, lease_ms: int) -> bool:
        """Whether a sweep would find something: a job to look at, or one that may be admitted; reads no job.

        now_ms: Redis' clock.
        """
        with redis_errors(), self._redis.pipeline(transaction=False) as pipe:
            pipe.exists(*DOORS)
            pipe.zcount(keys.HELD, "-inf", now_ms - lease_ms)
            pipe.zcount(keys.HELD, f"({now_ms}", "+inf")
            pipe.zcount(keys.UNTAKEN, "-inf", now_ms - UNSENT_MS)
            pipe.zcount(keys.UNTAKEN, f"({now_ms + LONGEST_PUT_OFF_MS}", "+inf")
            found: list[int] = pipe.execute()
        return any(found)

    def unwatched(self) -> list[str]:
        """Ids of jobs under way that `due` will never tell, such as those that an earlier version moved."""
        ids = list(self.under_way())
        if not ids:
            return []
        with redis_errors(), self._redis.pipeline(transaction=False) as pipe:
            for name in (keys.HELD, keys.UNTAKEN):
                pipe.zmscore(name, ids)
            held, untaken = cast("list[list[float | None]]", pipe.execute())
        seen = zip(ids, held, untaken, strict=True)
        return [job_id for job_id, at_work, waits in seen if at_work is None and waits is None]

    def enrol(self, job: Job) -> bool:
        """Note where the job stands if that is not known, and when to look at it; whether it was not known."""
        names = [keys.job(job.job_id), *place_keys(job, job)]
        with redis_errors():
            return bool(self._enrol(names, [job.seq, job.job_id, *place_arguments(None, job)]))

    def forget(self, job_ids: list[str]) -> None:
        """Look no more at jobs that were removed."""
        if job_ids:
            with redis_errors():
                self._redis.zrem(keys.HELD, *job_ids)
                self._redis.zrem(keys.UNTAKEN, *job_ids)
