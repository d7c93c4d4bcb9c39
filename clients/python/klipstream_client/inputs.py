"""The shapes of what goes to the server, as the API's reference has them."""

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

JobStatus = Literal[
    "queued",
    "downloading",
    "fetching_chat",
    "transcribing",
    "analyzing",
    "finding_highlights",
    "completed",
    "failed",
    "cancelled",
]
EventType = Literal["job.started", "job.completed", "job.failed", "job.cancelled"]
ExportFormat = Literal["csv", "srt", "vtt", "chapters", "edl", "fcpxml", "otio", "premiere", "mlt"]
Source = Literal["twitch", "local", "direct"]
Verdict = Literal["good", "bad"]


class Options(TypedDict, total=False):
    """How a job is to be done; what is left out is the server's default."""

    video: Literal["clips", "full", "none"]
    highlights: int
    language: str
    transcriber: Literal["auto", "deepgram", "whisper", "none"] | None
    audio_track: int | None
    clips: bool | Literal["vertical"]
    learn: bool
    chat_offset_seconds: float
    priority: Literal["low", "normal"]
    join: list[str]


class SubmitArguments(TypedDict, total=False):
    """How a recording is submitted.

    callback_events: what the webhooks tell, default: all.  metadata: text pairs of your own, given back everywhere.
    force: start a new job even if the same one is running.  idempotency_key: made when it is left out.
    """

    chat_url: str | None
    callback_url: str | None
    callback_events: Sequence[EventType]
    metadata: Mapping[str, str]
    options: Options | None
    force: bool
    idempotency_key: str | None


class Submission(SubmitArguments):
    """One recording of several."""

    url: str


class JobsQuery(TypedDict, total=False):
    """Which jobs to list: all that is given has to hold.

    q: text in the address, the video's id, title or channel, or the metadata.  created_after, created_before: ISO 8601.
    sort: "-created_at", newest first, is the default.  limit: 1 to 100, default 20.  cursor: `next_cursor` of the page
    before; a page may be short, even empty, and have one.
    """

    status: JobStatus | Sequence[JobStatus] | None
    video_id: str | None
    source: Source | None
    channel: str | None
    metadata: Mapping[str, str] | None
    q: str | None
    created_after: str | None
    created_before: str | None
    sort: Literal["created_at", "-created_at"]
    limit: int
    cursor: str | None


class HighlightEdit(TypedDict, total=False):
    """What is said about a highlight; what is left out stays, null brings back what was found."""

    verdict: Verdict | None
    title: str | None
    start_seconds: float | None
    end_seconds: float | None
