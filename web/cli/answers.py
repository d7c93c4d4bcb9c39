"""What the commands read of the server's answers; each holds more."""

from collections.abc import Mapping
from typing import TypedDict


class WaitingAnswer(TypedDict):
    """What a job waits for."""

    reason: str
    text: str


class ProgressAnswer(TypedDict):
    """How far a job is. Percentages 0-100."""

    percentage: float
    current_stage: str | None
    waiting: WaitingAnswer | None
    stage_progress: dict[str, float]


class EventAnswer(TypedDict):
    """One event of a job's stream."""

    event: str
    status: str
    progress: ProgressAnswer


class JobAnswer(TypedDict):
    """A job. error: a problem (RFC 9457)."""

    job_id: str
    status: str
    created_at: str
    url: str
    progress: ProgressAnswer
    error: Mapping[str, object] | None


class VideoAnswer(TypedDict):
    """A recording."""

    title: str | None


class HighlightAnswer(TypedDict):
    """A highlight. Seconds from the start of the recording; score 0-1."""

    rank: int
    start_seconds: float
    end_seconds: float
    score: float
    emotion: str | None
    title: str | None
    reasons: list[str]
    clip_url: str | None


class ResultsAnswer(TypedDict):
    """The result document."""

    job_id: str
    video: VideoAnswer | None
    highlights: list[HighlightAnswer]
    warnings: list[str]
