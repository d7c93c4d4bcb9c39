"""What has happened in the whole deployment, counted for its metrics: one hash, a field for each thing counted.

Figures only: while Redis can't be written nothing is counted, and no stage notices. How jobs end is exact: the script
that ends a job counts it.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum
from typing import NamedTuple

import redis

from shared.jobs import Job
from shared.redis import keys
from shared.redis.connection import redis_errors
from shared.stages import JobStatus

# Upper bounds of the stages' histogram, in seconds: a sample takes seconds, twelve hours of stream an hour or two.
BUCKETS_S = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14400.0)
SEPARATOR = "|"
SUM = "sum"
ABOVE = "above"  # the last bucket


class Counted(StrEnum):
    """What is counted, and by what."""

    JOBS_FINISHED = "jobs_finished"  # status, code
    STAGE_SECONDS = "stage_seconds"  # stage, bucket or SUM
    WORKER_DEATHS = "worker_deaths"  # stage
    LEASE_LOSSES = "lease_losses"  # stage
    FETCHED_BYTES = "fetched_bytes"  # stage
    TRANSCRIBED_SECONDS = "transcribed_seconds"  # provider
    TRANSCRIPTION_DOLLARS = "transcription_dollars"  # provider


_KNOWN = frozenset(each.value for each in Counted)
Counts = Mapping[Counted, Mapping[tuple[str, ...], float]]


class StageSeconds(NamedTuple):
    """A stage's histogram. counts: runs up to each of BUCKETS_S and one for those above, each run in one of them."""

    counts: tuple[int, ...]
    sum_s: float


def field_of(counted: Counted, *labels: str) -> str:
    """The field in the hash."""
    return SEPARATOR.join((counted, *labels))


def field_of_the_end(old: Job, new: Job) -> str:
    """The field that counts how the job ended, if this change ends it; else empty."""
    if old.is_terminal or not new.is_terminal:
        return ""
    code = new.error.code if new.error is not None and new.status is JobStatus.FAILED else ""
    return field_of(Counted.JOBS_FINISHED, new.status.value, code)


class Counters:
    """Counts for all processes. Nothing is raised while Redis is away or full, but by `read`."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def add(self, counted: Counted, *labels: str, by: float = 1.0) -> None:
        """Count `by` more."""
        if by:
            with suppress(redis.RedisError):
                self._redis.hincrbyfloat(keys.COUNTERS, field_of(counted, *labels), by)

    def stage_took(self, stage: str, seconds: float) -> None:
        """Count one run of a stage in its histogram."""
        place = bisect_left(BUCKETS_S, seconds)
        bucket = f"{BUCKETS_S[place]:g}" if place < len(BUCKETS_S) else ABOVE
        with suppress(redis.RedisError), self._redis.pipeline() as pipe:
            pipe.hincrbyfloat(keys.COUNTERS, field_of(Counted.STAGE_SECONDS, stage, SUM), seconds)
            pipe.hincrbyfloat(keys.COUNTERS, field_of(Counted.STAGE_SECONDS, stage, bucket), 1)
            pipe.execute()

    def read(self) -> Counts:
        """All counts by what is counted and its labels. Raises DatabaseError."""
        with redis_errors():
            fields = self._redis.hgetall(keys.COUNTERS)
        counts: defaultdict[Counted, dict[tuple[str, ...], float]] = defaultdict(dict)
        for name, value in sorted(fields.items()):
            counted, *labels = str(name).split(SEPARATOR)
            if counted in _KNOWN:  # another version may count more
                counts[Counted(counted)][tuple(labels)] = float(value)
        return counts


def stage_seconds(counts: Counts) -> dict[str, StageSeconds]:
    """The histograms by stage."""
    found = counts.get(Counted.STAGE_SECONDS, {})
    stages = sorted({stage for stage, _ in found})
    bounds = [*(f"{bound:g}" for bound in BUCKETS_S), ABOVE]
    return {
        stage: StageSeconds(tuple(int(found.get((stage, bound), 0)) for bound in bounds), found.get((stage, SUM), 0.0))
        for stage in stages
    }
