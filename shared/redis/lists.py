"""An owner's jobs by what somebody looks for, a page at a time.

Each job stands in sorted sets by its creation time: of its owner, and of the owner's jobs of the same status, video,
source, channel and each pair of its metadata. A list walks the smallest set that holds all it looks for, and reads the
jobs to see to the rest. What it costs is bounded: after MOST_READ jobs a page ends, full or not, with a cursor.
"""

import hashlib
import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, cast

import redis

from shared.jobs import Job
from shared.redis import keys
from shared.redis.connection import redis_errors
from shared.stages import JobStatus

MOST_READ = 1000
MOST_COUNTED = 500  # jobs that are read to count them
BATCH = 100
MAX_CURSOR = 100
END_MS = 10**15  # no time is later


class Position(NamedTuple):
    """Where a job stands in every list: later ones of the same millisecond by their id."""

    created_ms: int
    job_id: str


class Page(NamedTuple):
    """Jobs of a list. next_cursor: asks for those after them, None at the end.  total: of all pages, where known."""

    jobs: list[Job]
    next_cursor: str | None
    total: int | None


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What jobs somebody looks for; what is empty or None is not looked at.

    text: in the address, the video's id, title and channel and the metadata, whatever the case.
    from_ms, before_ms: creation time; the latter not included.
    """

    owner: str
    statuses: frozenset[JobStatus] = frozenset()
    video_id: str | None = None
    source: str | None = None
    channel: str | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    text: str | None = None
    from_ms: int = 0
    before_ms: int = END_MS
    oldest_first: bool = False

    def sets(self) -> list[list[str]]:
        """Keys of the sorted sets by what they are about; each list together holds all that is looked for."""
        found = [[keys.index(self.owner)]]
        if self.statuses:
            found.append([keys.index(self.owner, status=status) for status in sorted(self.statuses)])
        for about, value in (("video", self.video_id), ("source", self.source), ("channel", self.channel)):
            if value is not None:
                found.append([_about(self.owner, about, value)])
        return found + [[_about(self.owner, "metadata", f"{name}:{value}")] for name, value in self.metadata]

    def fits(self, job: Job) -> bool:
        """Whether the job is one of those, but for its time."""
        return (
            (not self.statuses or job.status in self.statuses)
            and self.video_id in (None, job.video_id)
            and self.source in (None, job.source["kind"])
            and (self.channel is None or _folded(self.channel) == _folded(_channel(job) or ""))
            and all(job.metadata.get(name) == value for name, value in self.metadata)
            and (self.text is None or self.text.casefold() in _text_of(job))
        )

    @property
    def is_one_set(self) -> bool:
        """Whether one of its lists of sets is just what is looked for."""
        return self.text is None and len(self.sets()) <= 2


def indexes(job: Job) -> list[str]:
    """The keys of all the sorted sets that the job belongs to; that of its status is the second."""
    about = [("video", job.video_id), ("source", job.source["kind"]), ("channel", _channel(job))]
    about += [("metadata", f"{name}:{value}") for name, value in job.metadata.items()]
    named = [_about(job.owner, what, value) for what, value in about if value]
    return [keys.index(job.owner), keys.index(job.owner, status=job.status), *named]


def _about(owner: str, what: str, value: str) -> str:
    if what == "video":
        return keys.index(owner, video_id=value)
    # What comes from outside is digested: it can't be long nor look like another owner's.
    folded = _folded(value) if what == "channel" else value
    return keys.index(owner, about=f"{what}:{hashlib.sha256(folded.encode()).hexdigest()[:32]}")


def _folded(channel: str) -> str:
    return channel.casefold()


def _channel(job: Job) -> str | None:
    return job.video.channel if job.video else None


def _text_of(job: Job) -> str:
    video = [job.video.title, job.video.channel] if job.video else []
    texts = [job.url, job.video_id, *video, *job.metadata.values()]
    return "\n".join(text for text in texts if text).casefold()


class JobLists:
    """Raises DatabaseError when Redis can't be used."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def page(self, wanted: Wanted, *, limit: int, cursor: str | None = None) -> Page:
        """Jobs after `cursor`, of an earlier page with the same order. Raises ValueError on one that is none."""
        after = _position(cursor) if cursor else None
        names, count = self._smallest(wanted)
        total = count if wanted.is_one_set else self._counted(wanted, names, count)
        places = self._merged(names, wanted, after)
        found: dict[Position, Job] = {}
        read = 0
        while batch := list(islice(places, BATCH if read else min(limit + 1, BATCH))):
            for place, job in zip(batch, self.load([place.job_id for place in batch]), strict=True):
                if job is None or not wanted.fits(job):
                    continue
                if len(found) == limit and place not in found:
                    return Page(list(found.values()), _cursor(list(found)[-1]), total)
                found[place] = job
            read += len(batch)
            if read >= MOST_READ:
                return Page(list(found.values()), _cursor(batch[-1]), total)
        return Page(list(found.values()), None, total)

    def load(self, ids: Sequence[str]) -> list[Job | None]:
        """The jobs of these ids; None for those that are gone."""
        if not ids:
            return []
        with redis_errors():
            texts = self._redis.mget([keys.job(job_id) for job_id in ids])
        return [Job.loads(text) if text is not None else None for text in texts]

    def _smallest(self, wanted: Wanted) -> tuple[list[str], int]:
        """The sets that together hold all that is looked for and the fewest others, and how many they hold."""
        sets = wanted.sets()
        with redis_errors(), self._redis.pipeline(transaction=False) as pipe:
            for names in sets:
                for name in names:
                    pipe.zcount(name, wanted.from_ms, wanted.before_ms - 1)
            counts = iter(pipe.execute())
        sums = [sum(int(next(counts)) for _ in names) for names in sets]
        # Of as many the last one: it says the most.
        least = min(range(len(sets)), key=lambda at: (sums[at], -at))
        return sets[least], sums[least]

    def _counted(self, wanted: Wanted, names: list[str], count: int) -> int | None:
        if count > MOST_COUNTED:
            return None
        ids = [place.job_id for place in self._merged(names, wanted, None)]
        return sum(job is not None and wanted.fits(job) for job in self.load(ids))

    def _merged(self, names: list[str], wanted: Wanted, after: Position | None) -> Iterator[Position]:
        walks = [self._walk(name, wanted, after) for name in names]
        return heapq.merge(*walks, reverse=not wanted.oldest_first)

    def _walk(self, name: str, wanted: Wanted, after: Position | None) -> Iterator[Position]:
        """Places in one set behind `after`. A place is found again by its time, so what comes or goes moves nothing."""
        low, high, offset = wanted.from_ms, wanted.before_ms - 1, 0
        while True:
            if after is not None and wanted.oldest_first:
                low = max(low, after.created_ms)
            elif after is not None:
                high = min(high, after.created_ms)
            start, end = (low, high) if wanted.oldest_first else (high, low)
            with redis_errors():
                rows = self._redis.zrange(
                    name,
                    start,
                    end,
                    desc=not wanted.oldest_first,
                    byscore=True,
                    offset=offset,
                    num=BATCH,
                    withscores=True,
                )
            places = [Position(int(score), str(job_id)) for job_id, score in cast("list[tuple[str, float]]", rows)]
            fresh = [place for place in places if _is_behind(place, after, oldest_first=wanted.oldest_first)]
            yield from fresh
            if len(places) < BATCH:
                return
            # A whole batch of one millisecond that was seen before: look behind it.
            after, offset = (fresh[-1], 0) if fresh else (after, offset + BATCH)


def _is_behind(place: Position, after: Position | None, *, oldest_first: bool) -> bool:
    return after is None or (place > after if oldest_first else place < after)


def _cursor(place: Position) -> str:
    return f"{place.created_ms}-{place.job_id}"


def _position(cursor: str) -> Position:
    created_ms, separator, job_id = cursor.partition("-")
    if not (separator and created_ms.isascii() and created_ms.isdigit() and len(cursor) < MAX_CURSOR):
        raise ValueError("not a cursor")
    return Position(min(int(created_ms), END_MS), job_id)
