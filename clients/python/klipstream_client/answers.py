"""The shapes of what the server answers, as the API's reference has them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NotRequired, TypedDict

from .inputs import EventType, JobStatus, Options, Verdict

EventKind = Literal["progress", "completed", "failed", "cancelled"]
TERMINAL: frozenset[str] = frozenset({"completed", "failed", "cancelled"})


class Problem(TypedDict):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    error_type: str
    retryable: bool
    retry_after_seconds: float | None
    suggested_action: str
    support_reference: str
    errors: NotRequired[dict[str, list[str]]]


class JobError(Problem):
    """Why a job failed."""

    stage: str | None
    attempt: int


class Retry(TypedDict):
    """What a stage that was put back waits for."""

    stage: str
    attempt: int
    code: str
    detail: str
    at: str
    until: str


class Waiting(TypedDict):
    """What a job that nobody works on waits for. position: its place among those that wait, from 1."""

    reason: Literal["turn", "worker", "retry", "breaker"]
    position: int | None
    since: str
    until: str | None
    text: str


class Progress(TypedDict):
    """How far a job is; stage_progress has a percentage for each stage. waiting: None while somebody works on it."""

    percentage: float
    current_stage: str | None
    stages_completed: int
    total_stages: int
    estimated_completion_seconds: int | None
    waiting: Waiting | None
    stage_progress: dict[str, float]


class VideoPart(TypedDict):
    """One file of a recording in several."""

    file_name: str
    begins_at_seconds: float
    duration_seconds: float
    start_timecode: str | None


class Video(TypedDict):
    """The recording."""

    id: str
    source: Literal["twitch", "local", "direct"]
    title: str | None
    channel: str | None
    duration_seconds: float
    created_at: str | None
    game: str | None
    views: int | None
    audio_track: int | None
    audio_tracks: int | None
    parts: list[VideoPart]
    watch_url: str | None
    file_name: str | None
    has_picture: bool | None
    frame_rate: str | None
    variable_frame_rate: bool | None
    width: int | None
    height: int | None
    start_timecode: str | None
    audio_channels: int | None
    audio_rate: int | None


class Urls(TypedDict):
    """Where the best known files are; null for what was not made."""

    audio_url: str | None
    video_url: str | None
    chat_url: str | None
    transcript_url: str | None
    transcriptWords_url: str | None
    waveform_url: str | None
    analysis_url: str | None


class Made(Urls):
    """What the job itself tells of its results."""

    highlights: int
    clips: int
    files: int
    results_url: str


class Links(TypedDict):
    """Where else to look, from the root of the server."""

    self: str
    status: str
    stream: str
    results: str
    console: str


class Job(TypedDict):
    """A job."""

    job_id: str
    video_id: str | None
    url: str
    chat_url: str | None
    callback_url: str | None
    callback_events: list[EventType]
    options: Options
    metadata: dict[str, str]
    status: JobStatus
    attempt: int
    created_at: str
    updated_at: str
    started_at: str | None
    finished_at: str | None
    progress: Progress
    video: Video | None
    results: Made | None
    error: JobError | None
    warnings: list[str]
    retries: list[Retry]
    links: Links


class Jobs(TypedDict):
    """A page of jobs, newest first."""

    jobs: list[Job]
    next_cursor: str | None
    total: int | None


class BatchAnswer(TypedDict):
    """What one submission of several was answered. status: 202 new, 200 made before, or the problem's."""

    status: int
    location: str | None
    job: Job | None
    error: Problem | None


class BatchAnswers(TypedDict):
    """An answer for each submission, in their order."""

    analyses: list[BatchAnswer]


class Token(TypedDict):
    """For `?access_token=` where no header can be sent: whoever has it reads this one job until then."""

    token: str
    expires_at: str
    expires_in_seconds: int
    stream_url: str
    results_url: str


class Status(TypedDict):
    """What changes while a job runs."""

    status: JobStatus
    progress: Progress
    error: JobError | None


class Highlight(TypedDict):
    """A moment, with why it is one. signals: how unusual each was, in robust standard deviations."""

    rank: int
    start_seconds: float
    end_seconds: float
    peak_seconds: float
    score: float
    emotion: str | None
    title: str | None
    reasons: list[str]
    transcript: str | None
    chat_sample: list[str] | None
    signals: dict[str, float | None]
    clip_url: str | None
    thumbnail_url: str | None
    watch_url: str | None
    verdict: Verdict | None


class Sentiment(TypedDict):
    """-1 to 1; null where there is nothing to tell it from."""

    chat: float | None
    speech: float | None


class Emote(TypedDict):
    """An emote and how often it was written."""

    name: str
    count: int


class ChatSummary(TypedDict):
    """The chat in figures."""

    messages: int
    chatters: int
    peak_per_minute: int
    top_emotes: list[Emote]


class TranscriptSummary(TypedDict):
    """The transcript in figures."""

    language: str | None
    words: int
    confidence: float | None
    provider: str
    cost_estimate_usd: float | None


class Results(TypedDict):
    """What a job found. files: the address of each, by name."""

    job_id: str
    metadata: dict[str, str]
    video: Video | None
    highlights: list[Highlight]
    tuned_on_verdicts: int
    emotions: dict[str, float] | None
    sentiment: Sentiment | None
    chat: ChatSummary | None
    chat_lag_seconds: float | None
    transcript: TranscriptSummary | None
    warnings: list[str]
    timings: dict[str, float]
    files: dict[str, str]
    urls: Urls


class ManifestEntry(TypedDict):
    """One finished file. size: bytes."""

    size: int
    sha256: str
    stage: str
    attempt: int


class Manifest(TypedDict):
    """Every finished file of a job, by name."""

    job_id: str
    files: dict[str, ManifestEntry]


class DeliveryTry(TypedDict):
    """One attempt to deliver a webhook."""

    at: str
    seconds: float
    status: int | None
    answer: str
    error: str | None


class Delivery(TypedDict):
    """One event for one receiver."""

    id: str
    type: str
    url: str
    state: Literal["pending", "delivered", "failed", "gone"]
    created_at: str
    next_try_at: str | None
    tries: list[DeliveryTry]


class Deliveries(TypedDict):
    """A job's webhooks, oldest first."""

    deliveries: list[Delivery]


class Pong(TypedDict):
    """What a receiver answered to a ping. status: None without an answer, `error` says why."""

    id: str
    status: int | None
    answer: str
    error: str | None
    seconds: float


class Webhook(TypedDict):
    """The body of a webhook."""

    type: EventType
    timestamp: str
    data: Job


@dataclass(frozen=True, slots=True)
class Event:
    """A change of a job that is followed; the one that `is_last` comes once, at the end.

    event_id: None when it was seen by polling.  results: with `completed`.  error: with `failed` and `cancelled`.
    """

    kind: EventKind
    job_id: str
    status: JobStatus
    progress: Progress
    event_id: str | None = None
    results: Made | None = None
    error: JobError | None = None

    @property
    def is_last(self) -> bool:
        return self.kind in TERMINAL


Headers = Mapping[str, str]
