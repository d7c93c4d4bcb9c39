"""How long stages take by the length of the recording, measured over earlier jobs.

Estimates only: while Redis can't be used nothing is remembered and nothing is known, and no stage notices.
"""

from contextlib import suppress

import redis

from shared.jobs import Job
from shared.redis import keys
from shared.stages import STAGES, Stage

# Older jobs fade: once this many are counted, both sums are halved.
MAX_COUNTED = 100


class StageTimings:
    """Sums in Redis, one hash a stage: `sum` seconds of work, `media` seconds of recording, `count` jobs."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def remember(self, stage: Stage, job: Job, seconds: float) -> None:
        """Count one run of the stage, in seconds. Nothing is raised while Redis is away."""
        duration_s = (job.video and job.video.duration_seconds) or 0.0
        with suppress(redis.RedisError):
            self._add(keys.seconds(stage.name), seconds, duration_s)

    def _add(self, key: str, seconds: float, duration_s: float) -> None:
        with self._redis.pipeline() as pipe:
            pipe.hincrbyfloat(key, "sum", seconds)
            pipe.hincrbyfloat(key, "media", duration_s)
            pipe.hincrby(key, "count", 1)
            total, media, count = pipe.execute()
        if count >= MAX_COUNTED:
            self._redis.hset(key, mapping={"sum": total / 2, "media": media / 2, "count": count // 2})

    def seconds_after(self, stage: Stage, job: Job) -> float | None:
        """Seconds that the stages after this one will take; None when one of them was never measured."""
        duration_s = job.video.duration_seconds if job.video else None
        if not duration_s:
            return None
        try:
            return self._seconds_after(stage, float(duration_s))
        except redis.RedisError:
            return None

    def _seconds_after(self, stage: Stage, duration_s: float) -> float | None:
        total = 0.0
        for later in STAGES[STAGES.index(stage) + 1 :]:
            seconds, media = self._redis.hmget(keys.seconds(later.name), "sum", "media")
            if not (seconds and media and float(media) > 0):
                return None
            total += duration_s * float(seconds) / float(media)
        return total
