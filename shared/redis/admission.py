"""Who may go on to the queues: owners take turns, so that one owner's hundreds of jobs do not make another's wait.

A job waits in a list of its owner until it is admitted to the queue where it begins; from then on it is under way, and
its next stages go straight to their queues, ahead of all that still wait here. So the queues themselves stay short:
PLACES_A_CHILD jobs for each child of the workers that live are under way, at each queue where jobs begin and together.
What waits for its next try takes no place until that is due, but counts for its owner.

Where a job stands is written by the scripts that write the job: see `scripts/place.lua`.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

import redis

from shared.jobs import PRIORITIES, Job, ms_of
from shared.redis import keys
from shared.redis.connection import redis_errors
from shared.redis.pools import SILENT_S
from shared.redis.script import Script
from shared.stages import STAGE_BY_NAME, STAGES, JobStatus

PLACES_A_CHILD = 2
# Of all places: what an owner may have under way, those included that wait for their next try.
OWNER_SHARE = 4
LOW_EVERY = 5  # low jobs get every fifth admission while normal ones wait too
STAGE_QUEUES = tuple(dict.fromkeys(stage.queue for stage in STAGES))
SAME = "same"


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
    return [*names, keys.underway_of(new.owner), keys.TURNS]


def place_arguments(old: Job | None, new: Job) -> list[str | int]:
    """Owner, where the job stands and since when, as the scripts take them."""
    after = standing_of(new)
    if old is not None and standing_of(old) == after:
        return [new.owner, SAME, 0]
    return [new.owner, after.stands if after else "", after.due_ms if after else 0]


class Admission:
    """The lists of jobs that wait and are under way. Raises DatabaseError when Redis can't be used."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._admit = Script(client, "admit_jobs")
        self._enrol = Script(client, "enrol")
        self._positions = Script(client, "positions")

    def admit(self, *, limit: int) -> list[str]:
        """Ids of jobs that may go to the queues now, `limit` at most; whoever asks sends them."""
        names = [keys.TURNS, keys.ADMISSIONS]
        for queue in reversed(STAGE_QUEUES):
            names += [keys.waiting_owners(queue, priority) for priority in PRIORITIES]
            names += [keys.underway(queue), keys.workers(queue)]
        with redis_errors():
            found = self._admit(names, [limit, PLACES_A_CHILD, OWNER_SHARE, SILENT_S, LOW_EVERY, keys.UNDERWAY_OF])
        return [str(job_id) for job_id in found]

    def ahead_of(self, jobs: Sequence[Job]) -> dict[str, int | None]:
        """How many jobs go before each of these to the queues, as an estimate; None for one that does not wait."""
        standing = [(job, stands) for job in jobs if (stands := standing_of(job)) is not None]
        if not standing:
            return {}
        names: list[str] = []
        arguments: list[str | int] = [LOW_EVERY]
        for job, stands in standing:
            mine = job.options.priority
            other = next(priority for priority in PRIORITIES if priority != mine)
            names += [keys.waiting_owners(stands.queue, priority) for priority in (mine, other)]
            names.append(keys.waiting(stands.queue, mine, job.owner))
            arguments += [job.job_id, job.owner, mine]
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

    def waiting_among(self, jobs: Iterable[Job]) -> set[str]:
        """The ids of those that wait to be admitted."""
        lists = {
            keys.waiting(stands.queue, job.options.priority, job.owner)
            for job in jobs
            if (stands := standing_of(job)) is not None
        }
        with redis_errors(), self._redis.pipeline(transaction=False) as pipe:
            for name in lists:
                pipe.zrange(name, 0, -1)
            return {str(job_id) for found in pipe.execute() for job_id in found}

    def enrol(self, job: Job) -> bool:
        """Note where an unfinished job stands if that is not known; whether it was not."""
        names = [keys.job(job.job_id), *place_keys(job, job)]
        owner, stands, due_ms = place_arguments(None, job)
        with redis_errors():
            return bool(self._enrol(names, [job.seq, job.job_id, owner, ms_of(job.created_at), stands, due_ms]))
