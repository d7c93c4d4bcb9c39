"""A job as the mirror in Convex shows it: names and units of `convex/schema.ts`."""

from datetime import datetime
from typing import NamedTuple

from shared.jobs import Job
from shared.records import JobError
from shared.stages import STAGE_BY_NAME, JobStatus, title_of


class Update(NamedTuple):
    """One mutation."""

    path: str
    args: dict[str, object]


def update_of(job: Job) -> Update:
    """The mutation that brings the job's row up to this state."""
    if job.is_removed:
        return Update("video:removeJob", {"jobId": job.job_id})
    args = _snapshot(job)
    if job.finished_at is not None:
        args["processingCompletedAt"] = _ms(job.finished_at)
    if job.status is JobStatus.COMPLETED:
        return Update("video:completeJob", args)
    if job.error is not None:
        return Update("video:updateJobError", args | _error(job.error))
    return Update("video:updateJobProgress", args)


def urls_of(job: Job, base_url: str) -> Update:
    """The mutation that writes where the files of a completed job are."""
    return Update("video:updateUrls", _urls(job, base_url) | {"jobId": job.job_id})


def updates_before(job: Job, base_url: str) -> tuple[Update, ...]:
    """The same for a deployment that has only the functions the frontend had before: status and addresses.

    They can't take anything away, so a removed job leaves its row as it was.
    """
    if job.is_removed:
        return ()
    status = Update("video:updateStatusByTwitchId", {"twitchId": _twitch_id(job), "status": title_of(job.status)})
    # Who sees the job completed finds its files.
    return (Update("video:updateUrls", _urls(job, base_url)), status) if job.results else (status,)


def _urls(job: Job, base_url: str) -> dict[str, object]:
    urls = {name: base_url + url for name, url in job.results.urls.items() if url} if job.results else {}
    return {"twitchId": _twitch_id(job), "urls": urls}


def _twitch_id(job: Job) -> str:
    return job.video_id or job.job_id


def _snapshot(job: Job) -> dict[str, object]:
    fields = {
        "jobId": job.job_id,
        "attempt": float(job.attempt),
        "seq": float(job.seq),
        "twitchId": _twitch_id(job),
        "title": job.video.title if job.video else None,
        "status": title_of(job.status),
        "progressPercentage": job.percentage,
        "currentStage": STAGE_BY_NAME[job.stage].title if job.stage else None,
        "estimatedCompletionSeconds": None if job.eta_seconds is None else float(job.eta_seconds),
        "stageProgress": dict(job.stage_progress),
        "retryCount": float(len(job.retries)),
        "createdAt": _ms(job.created_at),
        "updatedAt": _ms(job.updated_at),
        "processingStartedAt": _ms(job.started_at) if job.started_at else None,
        "callbackUrl": job.callback_url,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _error(error: JobError) -> dict[str, object]:
    return {
        "errorType": error.error_type,
        "errorCode": error.code,
        "errorMessage": error.detail,
        "isRetryable": error.retryable,
        "supportReference": error.support_reference,
    }


def _ms(moment: str) -> float:
    return float(round(datetime.fromisoformat(moment).timestamp() * 1000))
