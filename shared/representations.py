"""What the outside sees of a job: the API's object, the events, the mirror, the webhooks."""

from collections.abc import Mapping
from typing import NotRequired, TypedDict

from shared.jobs import EVENTS, Job, utc_now
from shared.redaction import without_secrets
from shared.stages import STAGES, TERMINAL
from shared.waiting import Waiting, WaitingAnswer, waiting_of

API = "/api/v1/analysis"
TOTAL_STAGES = len(STAGES)
LOCAL = "file:"  # what names a file of the media folder


class Progress(TypedDict):
    """How far a job is. Percentages 0-100."""

    percentage: float
    current_stage: str | None
    stages_completed: int
    total_stages: int
    estimated_completion_seconds: int | None
    waiting: WaitingAnswer | None
    stage_progress: dict[str, float]


class EventData(TypedDict):
    """What one server-sent event tells."""

    event: str
    job_id: str
    status: str
    progress: Progress
    metadata: dict[str, str]
    timestamp: str
    results: NotRequired[Mapping[str, object]]
    error: NotRequired[Mapping[str, object]]


def progress_of(job: Job, *, waiting: Waiting | None = None) -> Progress:
    """The member `progress` of every answer about a job. waiting: as it is known now, else as the job's state tells."""
    waits = waiting or waiting_of(job, job.updated_at)
    return {
        "percentage": job.percentage,
        "current_stage": job.stage,
        "stages_completed": len(job.stages_done),
        "total_stages": TOTAL_STAGES,
        "estimated_completion_seconds": job.eta_seconds,
        "waiting": waits.as_dict() if waits else None,
        "stage_progress": {stage.name: job.stage_progress.get(stage.name, 0.0) for stage in STAGES},
    }


def job_view(job: Job, *, base_url: str = "", waiting: Waiting | None = None) -> dict[str, object]:
    """The job as the contract's section 4 has it. base_url makes the links absolute.  waiting: as for `progress_of`."""
    self_url = f"{base_url}{API}/{job.job_id}"
    return {
        "job_id": job.job_id,
        "video_id": job.video_id,
        "url": job.url,
        "chat_url": f"{LOCAL}{job.chat_ref}" if job.chat_ref is not None else None,
        "callback_url": without_secrets(job.callback_url) if job.callback_url is not None else None,
        "callback_events": list(job.callback_events or EVENTS) if job.callback_url is not None else [],
        "options": _options_of(job),
        "metadata": job.metadata,
        "status": job.status.value,
        "attempt": job.attempt,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "progress": progress_of(job, waiting=waiting),
        "video": job.video.as_dict() if job.video else None,
        "results": job.results.as_dict() if job.results else None,
        "error": job.error.as_dict() if job.error else None,
        "warnings": list(job.warnings),
        "retries": [retry.as_dict() for retry in job.retries],
        "links": {
            "self": self_url,
            "status": f"{self_url}/status",
            "stream": f"{self_url}/stream",
            "results": f"{self_url}/results",
            "console": f"{base_url}/console?job={job.job_id}",
        },
    }


def _options_of(job: Job) -> dict[str, object]:
    """As they can be submitted again."""
    return vars(job.options) | {"join": [f"{LOCAL}{name}" for name in job.options.join]}


def event_of(job: Job) -> EventData:
    """The data of one server-sent event; the hub adds connection_id and update_count for each client."""
    event: EventData = {
        "event": job.status.value if job.status in TERMINAL else "progress",
        "job_id": job.job_id,
        "status": job.status.value,
        "progress": progress_of(job),
        "metadata": job.metadata,
        "timestamp": job.updated_at or utc_now(),
    }
    if job.results is not None and job.is_terminal:
        event["results"] = job.results.as_dict()
    if job.error is not None:
        event["error"] = job.error.as_dict()
    return event
