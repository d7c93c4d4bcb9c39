"""Jobs as tests begin with, by the state machine alone and in a store."""

from functools import partial

from shared import jobs
from shared.jobs import Job, Options, utc_now
from shared.redis.store import JobStore
from shared.stages import STAGES

NOW = "2026-11-22T10:00:00.000Z"


def new_job() -> Job:
    return Job(
        job_id="j1",
        owner="",
        url="file:a.mp4",
        source={"kind": "local", "ref": "a.mp4"},
        fingerprint="f",
        created_at=NOW,
        updated_at=NOW,
    )


def claimed(job: Job, holder: str = "w1") -> Job:
    stage = next(stage for stage in STAGES if stage.name == job.stage)
    return jobs.claim(job, stage=stage, attempt=job.attempt, holder=holder, now=NOW)


def numbered_job(number: int = 1, *, owner: str = "", fingerprint: str | None = None) -> Job:
    return Job(
        job_id=f"job{number}",
        owner=owner,
        url="file:a.mp4",
        video_id="a.mp4",
        source={"kind": "local", "ref": "a.mp4"},
        fingerprint=fingerprint or f"print{number}",
        created_at=f"2026-11-22T10:00:{number:02}.000Z",
        updated_at=f"2026-11-22T10:00:{number:02}.000Z",
        options=Options(),
    )


def claim(store: JobStore, job_id: str, holder: str = "w") -> Job:
    transition = partial(jobs.claim, stage=STAGES[0], attempt=1, holder=holder, now=utc_now())
    return store.change(job_id, transition, lease="take")


def cancel(store: JobStore, job_id: str) -> Job:
    return store.change(job_id, partial(jobs.cancel, now=utc_now()), lease="drop")


def unfinished(store: JobStore) -> list[Job]:
    """Every job that is not finished, in the order of their ids."""
    return store.load(sorted({job_id for ids in store.active_ids() for job_id in ids}))
