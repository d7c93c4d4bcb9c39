"""What people say about highlights, in Redis.

A job's verdicts stay when it is removed: they hold numbers only, and later jobs of the channel are to learn from them.
Who wants one forgotten takes it back (null) while the job is there.
"""

import json
from collections.abc import Callable
from typing import NamedTuple

import redis
from redis.client import Pipeline

from shared.errors import JobNotFound
from shared.feedback import GOOD, UNTOUCHED, Changes, Edit, Features, Verdict
from shared.jobs import utc_now
from shared.redis import keys
from shared.redis.connection import redis_errors

MAX_VERDICTS = 500
VERDICTS_TTL_S = 365 * 24 * 3600


class Lesson(NamedTuple):
    """Where the verdict on a highlight is remembered, and the features it is about."""

    owner: str
    channel: str
    features: Features


class FeedbackStore:
    """Raises DatabaseError when Redis can't be used."""

    def __init__(self, client: redis.Redis) -> None:
        self.redis = client

    def edits(self, job_id: str) -> dict[int, Edit]:
        """What was said about the highlights of a job, by rank."""
        with redis_errors():
            found = self.redis.hgetall(keys.edits(job_id))
        return {int(rank): Edit.loads(str(text)) for rank, text in found.items()}

    def verdicts(self, owner: str, channel: str) -> list[Verdict]:
        """The owner's verdicts on this channel's highlights, oldest first."""
        with redis_errors():
            found = self.redis.hgetall(keys.verdicts(owner, channel))
        records = [(json.loads(text), place) for place, text in found.items()]
        ordered = sorted(records, key=lambda one: (one[0]["at"], one[1]))
        return [Verdict(one["good"], tuple(one["names"]), tuple(one["values"])) for one, _ in ordered]

    def change(
        self,
        job_id: str,
        rank: int,
        changes: Changes,
        *,
        check: Callable[[Edit], None],
        lesson: Lesson | None,
    ) -> Edit:
        """Change what was said about one highlight, and return all that is said now; null takes a thing back.

        Of changes at the same time each meets the outcome of the one before. check: raises what refuses the outcome.
        lesson: where the verdict is remembered for the channel, None when it can't be.  Raises JobNotFound.
        """
        outcome: list[Edit] = []

        def write(pipe: Pipeline) -> None:
            if not pipe.exists(keys.job(job_id)):
                raise JobNotFound
            text = pipe.hget(keys.edits(job_id), str(rank))
            edit = (Edit.loads(str(text)) if text else UNTOUCHED).changed(changes)
            check(edit)
            drop = _overflow(pipe, lesson, f"{job_id}:{rank}") if lesson and edit.verdict else []
            pipe.multi()
            if edit == UNTOUCHED:
                pipe.hdel(keys.edits(job_id), str(rank))
            else:
                pipe.hset(keys.edits(job_id), str(rank), edit.dumps())
            if lesson and "verdict" in changes:
                _remember(pipe, lesson, f"{job_id}:{rank}", edit.verdict, drop)
            outcome[:] = [edit]

        watched = [keys.job(job_id), keys.edits(job_id)]
        if lesson:
            watched.append(keys.verdicts(lesson.owner, lesson.channel))
        with redis_errors():
            self.redis.transaction(write, *watched)
        return outcome[0]


def _overflow(pipe: Pipeline, lesson: Lesson, place: str) -> list[str]:
    """The oldest verdicts that have to go for the one at `place`."""
    key = keys.verdicts(lesson.owner, lesson.channel)
    if pipe.hexists(key, place) or pipe.hlen(key) < MAX_VERDICTS:
        return []
    kept = sorted(pipe.hgetall(key).items(), key=lambda one: (json.loads(one[1])["at"], one[0]))
    return [str(name) for name, _ in kept[: len(kept) - MAX_VERDICTS + 1]]


def _remember(pipe: Pipeline, lesson: Lesson, place: str, verdict: str | None, drop: list[str]) -> None:
    key = keys.verdicts(lesson.owner, lesson.channel)
    if verdict is None:
        pipe.hdel(key, place)
        return
    record = {
        "at": utc_now(),
        "good": verdict == GOOD,
        "names": lesson.features.names,
        "values": lesson.features.values,
    }
    if drop:
        pipe.hdel(key, *drop)
    pipe.hset(key, place, json.dumps(record))
    pipe.expire(key, VERDICTS_TTL_S)
