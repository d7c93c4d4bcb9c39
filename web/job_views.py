"""Jobs as they are answered now: with what a waiting one waits for."""

from collections.abc import Sequence

from shared.jobs import Job, utc_now
from shared.redis.store import JobStore, Seen
from shared.representations import job_view
from shared.waiting import TURN, WORKER, Waiting, waiting_of


def views(store: JobStore, jobs: Sequence[Job]) -> list[dict[str, object]]:
    """Raises DatabaseError."""
    return [job_view(job, waiting=waiting) for job, waiting in zip(jobs, waits_now(store, jobs), strict=True)]


def waits_now(store: JobStore, jobs: Sequence[Job]) -> list[Waiting | None]:
    """What each job waits for now, with its place among those that wait for their turn. Raises DatabaseError."""
    now = utc_now()
    waits = [waiting_of(job, now) for job in jobs]
    queued = [job for job, waiting in zip(jobs, waits, strict=True) if waiting is not None and waiting.reason == TURN]
    ahead = store.admission.ahead_of(queued)
    return [
        _placed(waiting, ahead[job.job_id]) if waiting is not None and job.job_id in ahead else waiting
        for job, waiting in zip(jobs, waits, strict=True)
    ]


def wait_of(seen: Seen) -> Waiting | None:
    """What the job waits for now."""
    waiting = waiting_of(seen.job, utc_now())
    return _placed(waiting, seen.ahead) if waiting is not None and waiting.reason == TURN else waiting


def _placed(waiting: Waiting, ahead: int | None) -> Waiting:
    return waiting._replace(reason=WORKER) if ahead is None else waiting._replace(position=ahead + 1)
