"""The shapes of what comes in and what goes out: the first are enforced, both are documented at /docs."""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from shared.errors import ErrorType
from shared.stages import STAGES, JobStatus
from web.languages import LANGUAGES

MAX_TEXT = 2048
STATUSES = [status.value for status in JobStatus]


class Whole(fields.Integer):
    """A whole number; true and false are none."""

    def _deserialize(self, value: object, attr: str | None, data: Mapping[str, Any] | None, **kwargs: object) -> int:
        if isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        found: int = super()._deserialize(value, attr, data, **kwargs)
        return found


class ClipChoice(fields.Field[bool | str]):
    """true, false or "vertical"."""

    def _deserialize(
        self, value: object, attr: str | None, data: Mapping[str, Any] | None, **kwargs: object
    ) -> bool | str:
        if isinstance(value, bool) or value == "vertical":
            return "vertical" if value == "vertical" else bool(value)
        raise ValidationError('Must be true, false or "vertical".')


class Flag(fields.Boolean):
    """true or false, nothing that means them."""

    def _deserialize(self, value: object, attr: str | None, data: Mapping[str, Any] | None, **kwargs: object) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


def _known_language(value: str) -> None:
    if value != "auto" and value not in LANGUAGES:
        raise ValidationError("Must be auto or a two-letter ISO 639-1 code such as en.")


# --- in ---------------------------------------------------------------------------------------------------------------


class OptionsSchema(Schema):
    video = fields.String(
        load_default="clips",
        validate=validate.OneOf(["clips", "full", "none"]),
        metadata={"description": "Fetch the pictures under the clips only, all of them, or none (then no clips)."},
    )
    highlights = Whole(
        strict=True,
        load_default=10,
        validate=validate.Range(1, 50),
        metadata={"description": "How many highlights at most."},
    )
    language = fields.String(
        load_default="en", validate=_known_language, metadata={"description": "en, auto, or an ISO 639-1 code."}
    )
    transcriber = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.OneOf(["auto", "deepgram", "whisper"]),
        metadata={"description": "Default: what the server is set to."},
    )
    clips = ClipChoice(
        load_default=True,
        metadata={"oneOf": [{"type": "boolean"}, {"type": "string", "enum": ["vertical"]}], "default": True},
    )
    learn = Flag(
        load_default=True,
        metadata={"description": "Let the verdicts on the channel's earlier highlights move the ranking."},
    )


class SubmissionSchema(Schema):
    url = fields.String(
        required=True,
        validate=validate.Length(1, MAX_TEXT),
        metadata={
            "description": "A Twitch VOD's link or number, `file:NAME` below LOCAL_MEDIA_DIR, or an https link to "
            "media on MEDIA_HOSTS.",
            "example": "https://www.twitch.tv/videos/123456789",
        },
    )
    chat_url = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(1, MAX_TEXT),
        metadata={"description": "`file:NAME` of a TwitchDownloader chat (JSON, plain or gzip); with file: sources."},
    )
    callback_url = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(1, MAX_TEXT),
        metadata={"description": "Where the job's webhooks go (https; Standard Webhooks)."},
    )
    options = fields.Nested(OptionsSchema, load_default=lambda: OptionsSchema().load({}))


class SubmissionQuerySchema(Schema):
    force = fields.Boolean(
        load_default=False,
        metadata={"description": "Start a new job even if the same one is running."},
    )


class SubmissionHeadersSchema(Schema):
    idempotency_key = fields.String(
        data_key="Idempotency-Key",
        load_default=None,
        validate=validate.Length(1, 255),
        metadata={"description": "The same key and body give the same job for 24 hours."},
    )


class JobsQuerySchema(Schema):
    status = fields.String(load_default=None, validate=validate.OneOf(STATUSES))
    video_id = fields.String(load_default=None, validate=validate.Length(1, MAX_TEXT))
    limit = fields.Integer(load_default=20, validate=validate.Range(1, 100))
    cursor = fields.String(
        load_default=None,
        validate=validate.Length(1, 100),
        metadata={"description": "`next_cursor` of the page before."},
    )


# --- out --------------------------------------------------------------------------------------------------------------


def _text(description: str = "", **options: Any) -> fields.String:  # noqa: ANN401 -- marshmallow's own options
    return fields.String(metadata={"description": description} if description else {}, **options)


class ProblemSchema(Schema):
    type = _text("A page that explains the code.")
    title = _text()
    status = fields.Integer()
    detail = _text("What happened this time.")
    instance = _text()
    code = _text("One of the catalogue at /api/v1/errors.")
    error_type = fields.String(validate=validate.OneOf([kind.value for kind in ErrorType]))
    retryable = fields.Boolean()
    retry_after_seconds = fields.Float(allow_none=True)
    suggested_action = _text()
    support_reference = _text("ERR-YYYYMMDD-XXXXXXXX, also in the server's log.")
    errors = fields.Dict(keys=fields.String(), values=fields.List(fields.String()))


class JobErrorSchema(ProblemSchema):
    stage = _text(allow_none=True)
    attempt = fields.Integer()


class RetrySchema(Schema):
    stage = fields.String()
    attempt = fields.Integer()
    code = _text("Why: one of the catalogue at /api/v1/errors.")
    detail = fields.String()
    at = fields.String(metadata={"format": "date-time", "description": "Since when the stage waits."})
    until = fields.String(metadata={"format": "date-time", "description": "When it is tried again."})


StageProgressSchema = Schema.from_dict(
    {stage.name: fields.Float(validate=validate.Range(0, 100)) for stage in STAGES}, name="StageProgressSchema"
)


class ProgressSchema(Schema):
    percentage = fields.Float(validate=validate.Range(0, 100))
    current_stage = fields.String(allow_none=True)
    stages_completed = fields.Integer()
    total_stages = fields.Integer()
    estimated_completion_seconds = fields.Integer(allow_none=True)
    stage_progress = fields.Nested(StageProgressSchema)


class LinksSchema(Schema):
    self = fields.String()
    status = fields.String()
    stream = fields.String()
    results = fields.String()
    console = fields.String()


class StatusSchema(Schema):
    status = fields.String(validate=validate.OneOf(STATUSES))
    progress = fields.Nested(ProgressSchema)
    error = fields.Nested(JobErrorSchema, allow_none=True)


class JobSchema(Schema):
    job_id = fields.String()
    video_id = fields.String(allow_none=True)
    url = fields.String()
    status = fields.String(validate=validate.OneOf(STATUSES))
    attempt = fields.Integer()
    created_at = fields.String(metadata={"format": "date-time"})
    updated_at = fields.String(metadata={"format": "date-time"})
    started_at = fields.String(allow_none=True, metadata={"format": "date-time"})
    finished_at = fields.String(allow_none=True, metadata={"format": "date-time"})
    progress = fields.Nested(ProgressSchema)
    video = fields.Dict(allow_none=True)
    results = fields.Dict(allow_none=True)
    error = fields.Nested(JobErrorSchema, allow_none=True)
    warnings = fields.List(fields.String())
    retries = fields.List(
        fields.Nested(RetrySchema),
        metadata={"description": "Every time a stage was put back to be tried again, oldest first; the last 50."},
    )
    links = fields.Nested(LinksSchema)


class JobsSchema(Schema):
    jobs = fields.List(fields.Nested(JobSchema))
    next_cursor = fields.String(allow_none=True)


class HighlightSchema(Schema):
    rank = fields.Integer()
    start_seconds = fields.Float()
    end_seconds = fields.Float()
    peak_seconds = fields.Float()
    score = fields.Float(validate=validate.Range(0, 1))
    emotion = fields.String(allow_none=True)
    title = fields.String(allow_none=True)
    reasons = fields.List(fields.String())
    transcript = fields.String(allow_none=True)
    chat_sample = fields.List(fields.String(), allow_none=True)
    signals = fields.Dict()
    clip_url = fields.String(allow_none=True)
    thumbnail_url = fields.String(allow_none=True)
    watch_url = fields.String(allow_none=True)
    verdict = fields.String(allow_none=True, validate=validate.OneOf(["good", "bad"]))


class ResultsSchema(Schema):
    job_id = fields.String()
    video = fields.Dict(allow_none=True)
    highlights = fields.List(fields.Nested(HighlightSchema))
    tuned_on_verdicts = fields.Integer(
        metadata={"description": "How many verdicts on the channel's earlier highlights moved the ranking; 0: none."}
    )
    emotions = fields.Dict(allow_none=True)
    sentiment = fields.Dict(allow_none=True)
    chat = fields.Dict(allow_none=True)
    transcript = fields.Dict(allow_none=True)
    warnings = fields.List(fields.String())
    timings = fields.Dict(keys=fields.String(), values=fields.Float())
    files = fields.Dict(keys=fields.String(), values=fields.String())
    urls = fields.Dict(keys=fields.String(), values=fields.String(allow_none=True))


class ErrorEntrySchema(Schema):
    code = fields.String()
    title = fields.String()
    error_type = fields.String()
    status = fields.Integer()
    retryable = fields.Boolean()
    retry_after_seconds = fields.Integer(allow_none=True)
    suggested_action = fields.String()


class ErrorsSchema(Schema):
    errors = fields.List(fields.Nested(ErrorEntrySchema))


class QueueSchema(Schema):
    waiting = fields.Integer(metadata={"description": "Messages that no worker has taken."})
    running = fields.Integer(metadata={"description": "Jobs with a stage of this queue at work."})
    oldest_wait_seconds = fields.Float(allow_none=True)
    workers = fields.Integer(metadata={"description": "Worker processes that live."})
    mean_seconds = fields.Float(allow_none=True, metadata={"description": "Work per job in this queue, as measured."})


class QueuesSchema(Schema):
    queues = fields.Dict(keys=fields.String(), values=fields.Nested(QueueSchema))


class BreakerSchema(Schema):
    state = fields.String(validate=validate.OneOf(["closed", "open", "half-open"]))
    failures = fields.Integer(metadata={"description": "In a row."})
    openings = fields.Integer(metadata={"description": "How often it has opened."})
    probes = fields.Integer(metadata={"description": "How often a call was let through to see whether it is well."})
    refusals = fields.Integer(metadata={"description": "How many calls were not made."})
    opened_at = fields.String(allow_none=True, metadata={"format": "date-time"})


class ReliabilitySchema(Schema):
    breakers = fields.Dict(keys=fields.String(), values=fields.Nested(BreakerSchema))
    retries = fields.Dict(
        keys=fields.String(), values=fields.Integer(), metadata={"description": "How often, by `stage:CODE`."}
    )
