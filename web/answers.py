"""The shapes of what goes out, documented at /docs and held against real answers by the tests."""

from collections.abc import Callable
from typing import Any, TypeVar, overload

from marshmallow import Schema, fields, validate

from shared.emotions import EMOTIONS
from shared.errors import ErrorType, catalogue
from shared.feedback import BAD, GOOD
from shared.files import URL_FILES
from shared.jobs import EVENTS
from shared.stages import STAGES, JobStatus
from web.choices import Choice
from web.job_parts import JobOptionsSchema, WaitingSchema
from web.metadata import Metadata

STAGE_NAMES = [stage.name for stage in STAGES]
VERDICTS = (GOOD, BAD)
CODES = list(catalogue())
MOMENT = {"format": "date-time"}  # UTC, ISO 8601
S = TypeVar("S", bound=type[Schema])


@overload
def whole(schema: S) -> S: ...
@overload
def whole(*, optional: tuple[str, ...]) -> Callable[[S], S]: ...
def whole(schema: S | None = None, *, optional: tuple[str, ...] = ()) -> S | Callable[[S], S]:
    """A schema whose members are always there, but for those that are `optional`."""

    def decorate(schema: S) -> S:
        for name, field in schema._declared_fields.items():
            field.required = name not in optional
        return schema

    return decorate if schema is None else decorate(schema)


def _text(description: str = "", **options: Any) -> fields.String:  # noqa: ANN401 -- marshmallow's own options
    return fields.String(metadata={"description": description} if description else {}, **options)


@whole(optional=("errors",))
class ProblemSchema(Schema):
    """An error (RFC 9457)."""

    type = _text("A page that explains the code.")
    title = _text()
    status = fields.Integer()
    detail = _text("What happened this time.")
    instance = _text()
    code = Choice("ErrorCode", CODES, description="See /api/v1/errors.")
    error_type = Choice("ErrorType", ErrorType)
    retryable = fields.Boolean()
    retry_after_seconds = fields.Float(
        allow_none=True, metadata={"description": "When another try makes sense; null: it can't help."}
    )
    suggested_action = _text()
    support_reference = _text("Also in the server's log.", validate=validate.Regexp(r"^ERR-[0-9]{8}-[0-9A-F]{8}$"))
    errors = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.String()),
        metadata={"description": "What is wrong with each field, by its dotted name; with INVALID_REQUEST only."},
    )


@whole(optional=("errors",))
class JobErrorSchema(ProblemSchema):
    """Why a job failed."""

    stage = Choice("StageName", STAGE_NAMES, allow_none=True)
    attempt = fields.Integer()


@whole
class RetrySchema(Schema):
    """What a stage that was put back waits for."""

    stage = Choice("StageName", STAGE_NAMES, allow_none=True)
    attempt = fields.Integer()
    code = Choice("ErrorCode", CODES, description="Why; see /api/v1/errors.")
    detail = fields.String()
    at = fields.String(metadata={**MOMENT, "description": "Since when the stage waits."})
    until = fields.String(metadata={**MOMENT, "description": "When it is tried again."})


StageProgressSchema = whole(
    Schema.from_dict(
        {stage.name: fields.Float(validate=validate.Range(0, 100)) for stage in STAGES}, name="StageProgressSchema"
    )
)
UrlsSchema = whole(
    Schema.from_dict(
        {name: _text(f"Where {file.name} is, if it was made.", allow_none=True) for name, file in URL_FILES.items()},
        name="UrlsSchema",
    )
)


@whole
class ProgressSchema(Schema):
    """How far a job is."""

    percentage = fields.Float(validate=validate.Range(0, 100))
    current_stage = Choice(
        "StageName", STAGE_NAMES, allow_none=True, description="At work or next; null when there is none left."
    )
    stages_completed = fields.Integer()
    total_stages = fields.Integer()
    estimated_completion_seconds = fields.Integer(allow_none=True)
    waiting = fields.Nested(WaitingSchema, allow_none=True)
    stage_progress = fields.Nested(StageProgressSchema)


@whole
class VideoPartSchema(Schema):
    """One file of a recording in several."""

    file_name = fields.String()
    begins_at_seconds = fields.Float(metadata={"description": "On the timeline of all."})
    duration_seconds = fields.Float()
    start_timecode = fields.String(allow_none=True)


@whole
class VideoSchema(Schema):
    """The recording."""

    id = fields.String()
    source = Choice("VideoSource", ["twitch", "local", "direct"])
    title = fields.String(allow_none=True)
    channel = fields.String(allow_none=True)
    duration_seconds = fields.Float(allow_none=True)
    created_at = fields.String(allow_none=True, metadata={"description": "When the stream began, as its site says."})
    game = fields.String(allow_none=True)
    views = fields.Integer(allow_none=True)
    audio_track = fields.Integer(allow_none=True, metadata={"description": "The sound track that was used, from 1."})
    audio_tracks = fields.Integer(allow_none=True, metadata={"description": "How many there are."})
    parts = fields.List(
        fields.Nested(VideoPartSchema),
        metadata={"description": "The files of a joined recording, in order; else none."},
    )
    watch_url = _text("A page that plays it.", allow_none=True)
    file_name = _text("Of the recording, or what it is called when it is fetched.", allow_none=True)
    has_picture = fields.Boolean(allow_none=True)
    frame_rate = _text('Frames a second as a fraction, "30000/1001"; the average where it varies.', allow_none=True)
    variable_frame_rate = fields.Boolean(allow_none=True)
    width = fields.Integer(allow_none=True, metadata={"description": "In square pixels, as shown."})
    height = fields.Integer(allow_none=True)
    start_timecode = _text("What the recording's own timecode begins with.", allow_none=True)
    audio_channels = fields.Integer(allow_none=True, metadata={"description": "Of the main sound track."})
    audio_rate = fields.Integer(allow_none=True, metadata={"description": "Samples a second of that track."})


@whole
class ResultsSummarySchema(UrlsSchema):  # type: ignore[valid-type,misc] # a class made of the table
    """What the job itself tells of its results."""

    highlights = fields.Integer(metadata={"description": "How many."})
    clips = fields.Integer(metadata={"description": "How many were cut."})
    files = fields.Integer(metadata={"description": "How many."})
    results_url = _text("The result document.")


@whole
class LinksSchema(Schema):
    """Where else to look, from the root of this server."""

    self = fields.String()
    status = fields.String()
    stream = fields.String()
    results = fields.String()
    console = fields.String()


@whole
class JobStateSchema(Schema):
    """What changes while a job runs."""

    status = Choice("JobStatus", JobStatus)
    progress = fields.Nested(ProgressSchema)
    error = fields.Nested(JobErrorSchema, allow_none=True)


@whole
class JobSchema(Schema):
    """A job."""

    job_id = fields.String()
    video_id = fields.String(allow_none=True)
    url = fields.String()
    chat_url = _text("`file:NAME` of the chat file that was submitted.", allow_none=True)
    callback_url = _text("Where webhooks go; what looks like a secret in it is shown as ***.", allow_none=True)
    callback_events = fields.List(Choice("WebhookEvent", EVENTS), metadata={"description": "What its webhooks tell."})
    options = fields.Nested(JobOptionsSchema)
    metadata = Metadata()
    status = Choice("JobStatus", JobStatus)
    attempt = fields.Integer()
    created_at = fields.String(metadata=MOMENT)
    updated_at = fields.String(metadata=MOMENT)
    started_at = fields.String(allow_none=True, metadata=MOMENT)
    finished_at = fields.String(allow_none=True, metadata=MOMENT)
    progress = fields.Nested(ProgressSchema)
    video = fields.Nested(VideoSchema, allow_none=True)
    results = fields.Nested(ResultsSummarySchema, allow_none=True)
    error = fields.Nested(JobErrorSchema, allow_none=True)
    warnings = fields.List(fields.String())
    retries = fields.List(
        fields.Nested(RetrySchema),
        metadata={"description": "Every time a stage was put back to be tried again, oldest first; the last 50."},
    )
    links = fields.Nested(LinksSchema)


@whole
class JobPageSchema(Schema):
    """A page of jobs."""

    jobs = fields.List(fields.Nested(JobSchema))
    next_cursor = _text("Of the next page; null: this is the last one.", allow_none=True)
    total = fields.Integer(
        allow_none=True,
        metadata={"description": "Of all pages; null where counting would mean to read more than 500 jobs."},
    )


EmotionsSchema = whole(
    Schema.from_dict({name: fields.Float(validate=validate.Range(0, 1)) for name in EMOTIONS}, name="EmotionsSchema")
)


@whole
class HighlightSchema(Schema):
    """A moment, with why it is one."""

    rank = fields.Integer()
    start_seconds = fields.Float()
    end_seconds = fields.Float()
    peak_seconds = fields.Float()
    score = fields.Float(validate=validate.Range(0, 1))
    emotion = Choice("Emotion", EMOTIONS, allow_none=True)
    title = fields.String(allow_none=True)
    reasons = fields.List(fields.String())
    transcript = fields.String(allow_none=True)
    chat_sample = fields.List(fields.String(), allow_none=True)
    signals = fields.Dict(
        keys=fields.String(),
        values=fields.Float(),
        metadata={"description": "How unusual each signal that was measured is at the moment, as a z-score."},
    )
    clip_url = fields.String(allow_none=True)
    thumbnail_url = fields.String(allow_none=True)
    watch_url = fields.String(allow_none=True)
    verdict = Choice("Verdict", VERDICTS, allow_none=True, description="Of the job's owner; null: none.")


@whole
class SentimentSchema(Schema):
    """-1 to 1; null where there is nothing to tell it from."""

    chat = fields.Float(allow_none=True)
    speech = fields.Float(allow_none=True)


@whole
class EmoteSchema(Schema):
    """An emote and how often it was written."""

    name = fields.String()
    count = fields.Integer()


@whole
class ChatSummarySchema(Schema):
    """The chat in figures."""

    messages = fields.Integer()
    chatters = fields.Integer()
    peak_per_minute = fields.Integer()
    top_emotes = fields.List(fields.Nested(EmoteSchema))


@whole
class TranscriptSummarySchema(Schema):
    """The transcript in figures."""

    language = fields.String(allow_none=True)
    words = fields.Integer()
    confidence = fields.Float(allow_none=True)
    provider = Choice("TranscriptProvider", ["whisper", "deepgram"])
    cost_estimate_usd = fields.Float(allow_none=True)


@whole
class ResultsSchema(Schema):
    """What a job found."""

    job_id = fields.String()
    metadata = Metadata()
    video = fields.Nested(VideoSchema, allow_none=True)
    highlights = fields.List(fields.Nested(HighlightSchema))
    tuned_on_verdicts = fields.Integer(
        metadata={"description": "How many verdicts on the channel's earlier highlights moved the ranking; 0: none."}
    )
    emotions = fields.Nested(
        EmotionsSchema, allow_none=True, metadata={"description": "Share of each among all reactions."}
    )
    sentiment = fields.Nested(SentimentSchema, allow_none=True)
    chat = fields.Nested(ChatSummarySchema, allow_none=True)
    chat_lag_seconds = fields.Float(
        allow_none=True, metadata={"description": "How far the chat is behind the picture; null: not measured."}
    )
    transcript = fields.Nested(TranscriptSummarySchema, allow_none=True)
    warnings = fields.List(fields.String())
    timings = fields.Dict(
        keys=fields.String(), values=fields.Float(), metadata={"description": "Seconds of work by stage."}
    )
    files = fields.Dict(
        keys=fields.String(), values=fields.String(), metadata={"description": "Where each file is, by its name."}
    )
    urls = fields.Nested(UrlsSchema)


@whole
class FileEntrySchema(Schema):
    """A finished file."""

    size = fields.Integer(metadata={"description": "In bytes."})
    sha256 = fields.String(validate=validate.Regexp("^[0-9a-f]{64}$"))
    stage = Choice("StageName", STAGE_NAMES)
    attempt = fields.Integer()


@whole
class ManifestSchema(Schema):
    """Every finished file of a job."""

    job_id = fields.String()
    files = fields.Dict(keys=fields.String(), values=fields.Nested(FileEntrySchema))


@whole(optional=("results", "error"))
class JobEventSchema(Schema):
    """The data of one server-sent event."""

    event = Choice("EventName", ["connected", "progress", "completed", "failed", "cancelled", "stream_ended"])
    job_id = fields.String()
    status = Choice("JobStatus", JobStatus)
    progress = fields.Nested(ProgressSchema)
    metadata = Metadata()
    timestamp = fields.String(metadata=MOMENT)
    connection_id = fields.String()
    update_count = fields.Integer()
    results = fields.Nested(ResultsSummarySchema, metadata={"description": "With `completed` and its `stream_ended`."})
    error = fields.Nested(
        JobErrorSchema, metadata={"description": "With `failed`, `cancelled` and their `stream_ended`."}
    )


@whole
class WebhookSchema(Schema):
    """The body of a webhook."""

    type = Choice("WebhookEvent", EVENTS)
    timestamp = fields.String(metadata=MOMENT)
    data = fields.Nested(JobSchema, metadata={"description": "The job, with absolute links."})
