"""The stage table: the chain, the queues, the progress, the API and the docs all read it here."""

from enum import StrEnum
from typing import NamedTuple


class JobStatus(StrEnum):
    """Where a job stands: waiting, in a stage, or ended."""

    QUEUED = "queued"
    DOWNLOADING = "downloading"
    FETCHING_CHAT = "fetching_chat"
    TRANSCRIBING = "transcribing"
    ANALYZING = "analyzing"
    FINDING_HIGHLIGHTS = "finding_highlights"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})


class Stage(NamedTuple):
    """One row of the table. share: from-to of the job's progress."""

    name: str
    status: JobStatus
    title: str  # what people see
    queue: str
    share: tuple[int, int]  # of the job's progress, percent

    @property
    def task(self) -> str:
        """The Celery task's name, as Flower shows it."""
        return f"tasks.{self.name}"


STAGES = (
    Stage("download", JobStatus.DOWNLOADING, "Downloading", "download", (0, 30)),
    Stage("chat", JobStatus.FETCHING_CHAT, "Fetching chat", "download", (30, 35)),
    Stage("transcribe", JobStatus.TRANSCRIBING, "Transcribing", "transcription", (35, 65)),
    Stage("analyze", JobStatus.ANALYZING, "Analyzing", "analysis", (65, 90)),
    Stage("highlights", JobStatus.FINDING_HIGHLIGHTS, "Finding highlights", "analysis", (90, 100)),
)
STAGE_BY_NAME = {stage.name: stage for stage in STAGES}
DELIVERY_QUEUE = "delivery"
QUEUES = (*dict.fromkeys(stage.queue for stage in STAGES), DELIVERY_QUEUE)


def stages_from(name: str) -> tuple[Stage, ...]:
    """The stage `name` and all that come after it."""
    return STAGES[STAGES.index(STAGE_BY_NAME[name]) :]


def title_of(status: JobStatus) -> str:
    """What people see for `status`."""
    return next((stage.title for stage in STAGES if stage.status is status), status.value.capitalize())


def overall_percentage(stage: Stage, stage_percent: float) -> float:
    """The job's percentage while `stage` stands at `stage_percent` (both 0-100)."""
    low, high = stage.share
    return round(low + (high - low) * stage_percent / 100, 2)
