"""The shapes of what comes in; they are enforced, and documented at /docs."""

from collections.abc import Mapping
from datetime import UTC
from functools import partial

from marshmallow import Schema, ValidationError, fields, validate

from shared.jobs import EVENTS, PRIORITIES
from shared.stages import JobStatus
from web.choices import CLIP_CHOICES, SPOKEN, TRANSCRIBERS, VIDEO_FETCHED, Choice
from web.metadata import MAX_PAIRS, Metadata, check_key, check_value

MAX_TEXT = 2048
MAX_CHAT_OFFSET_S = 86_400
MAX_JOINED = 50
SOURCES = ("twitch", "local", "direct")


class Whole(fields.Integer):
    """A whole number; true and false are none."""

    def _deserialize(self, value: object, attr: str | None, data: Mapping[str, object] | None, **kwargs: object) -> int:
        if isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        found: int = super()._deserialize(value, attr, data, **kwargs)
        return found


class Seconds(fields.Float):
    """A finite number of seconds; texts, true and false are none."""

    def _deserialize(
        self, value: object, attr: str | None, data: Mapping[str, object] | None, **kwargs: object
    ) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.make_error("invalid", input=value)
        try:
            # Minus nought is nought: the same meaning has the same fingerprint.
            return float(super()._deserialize(value, attr, data, **kwargs)) + 0.0
        except OverflowError as error:
            raise self.make_error("too_large", input=value) from error


class ClipChoice(fields.Field[bool | str]):
    """true, false or "vertical"."""

    def _deserialize(
        self, value: object, attr: str | None, data: Mapping[str, object] | None, **kwargs: object
    ) -> bool | str:
        if isinstance(value, bool) or value == "vertical":
            return "vertical" if value == "vertical" else bool(value)
        raise ValidationError('Must be true, false or "vertical".')


class Names(fields.List[str]):
    """Texts; what is wrong with one is told of the whole field."""

    def _deserialize(
        self, value: object, attr: str | None, data: Mapping[str, object] | None, **kwargs: object
    ) -> list[str | None]:
        try:
            return super()._deserialize(value, attr, data, **kwargs)
        except ValidationError as error:
            if isinstance(error.messages, list):
                raise
            told = [f"Number {at + 1}: {' '.join(texts)}" for at, texts in error.messages.items()]
            raise ValidationError(told) from error


class Flag(fields.Boolean):
    """true or false, nothing that means them."""

    def _deserialize(
        self, value: object, attr: str | None, data: Mapping[str, object] | None, **kwargs: object
    ) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Several(fields.List[str]):
    """Values in one parameter with commas, or in several parameters."""

    def _deserialize(
        self, value: object, attr: str | None, data: Mapping[str, object] | None, **kwargs: object
    ) -> list[str | None]:
        texts = value if isinstance(value, list) else [value]
        parts = [part for text in texts for part in str(text).split(",")]
        try:
            return super()._deserialize(parts, attr, data, **kwargs)
        except ValidationError as error:
            told = [text for texts in error.normalized_messages().values() for text in texts]
            raise ValidationError(list(dict.fromkeys(map(str, told)))) from error


class Pair(fields.String):
    """KEY:VALUE of a job's metadata."""

    def _deserialize(self, value: object, attr: str | None, data: Mapping[str, object] | None, **kwargs: object) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        name, colon, pair_value = text.partition(":")
        if not colon:
            raise ValidationError("Must be KEY:VALUE.")
        check_key(name)
        check_value(pair_value)
        return text


class OptionsSchema(Schema):
    """How a job is to be done."""

    video = Choice(
        "VideoFetched",
        VIDEO_FETCHED,
        load_default="clips",
        description="Fetch the pictures under the clips only, all of them, or none (then no clips).",
    )
    highlights = Whole(
        strict=True,
        load_default=10,
        validate=validate.Range(1, 50),
        metadata={"description": "How many highlights at most."},
    )
    language = Choice(
        "Language",
        SPOKEN,
        load_default="en",
        description="What is spoken: auto, or an ISO 639-1 code.",
        error="Must be auto or a two-letter ISO 639-1 code such as en.",
    )
    transcriber = Choice(
        "Transcriber",
        TRANSCRIBERS,
        load_default=None,
        allow_none=True,
        description="none: no words are recognised. Default: what the server is set to.",
    )
    audio_track = Whole(
        strict=True,
        load_default=None,
        allow_none=True,
        validate=validate.Range(1, 32),
        metadata={
            "description": "The sound track to use, from 1. Default: the default one, else the first with sound."
        },
    )
    clips = ClipChoice(
        load_default=True,
        metadata={
            "oneOf": CLIP_CHOICES,
            "description": "Whether a clip is cut of each highlight, and whether upright.",
        },
    )
    learn = Flag(
        load_default=True,
        metadata={"description": "Let the verdicts on the channel's earlier highlights move the ranking."},
    )
    chat_offset_seconds = Seconds(
        load_default=0.0,
        validate=validate.Range(-MAX_CHAT_OFFSET_S, MAX_CHAT_OFFSET_S),
        metadata={"description": "Added to the time of every comment: -45 when the chat comes 45 s too late."},
    )
    priority = Choice(
        "Priority", PRIORITIES, load_default="normal", description="low: normal jobs go first, but for every fifth."
    )
    join = Names(
        fields.String(validate=validate.Length(1, MAX_TEXT)),
        load_default=list,
        validate=validate.Length(max=MAX_JOINED),
        metadata={
            "description": "Further parts of a recording in the media folder, `file:NAME` each, in order: one "
            "timeline. Only with a `file:` recording."
        },
    )


class SubmissionSchema(Schema):
    """The body of a submission."""

    url = fields.String(
        required=True,
        validate=validate.Length(1, MAX_TEXT),
        metadata={
            "description": "A Twitch VOD's link in any form or its number, `file:NAME` below LOCAL_MEDIA_DIR, or an "
            "https link to media on MEDIA_HOSTS. Anything else: 422.",
        },
    )
    chat_url = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(1, MAX_TEXT),
        metadata={
            "description": "`file:NAME` of a chat file, used in place of the recording's own chat; anything else: 422. "
            "TwitchDownloader, chat-downloader, yt-dlp, Twitch's GraphQL, chat logs or CSV; plain, gzip or zip."
        },
    )
    callback_url = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(1, MAX_TEXT),
        metadata={
            "description": "Where the job's webhooks go: an https:// address; 422 where WEBHOOK_SECRET is not set."
        },
    )
    callback_events = Names(
        Choice("WebhookEvent", EVENTS),
        load_default=list,
        validate=validate.Length(max=len(EVENTS)),
        metadata={
            "description": "What the webhooks tell; left out or empty: everything.",
            "example": ["job.completed"],
        },
    )
    metadata = Metadata(load_default=dict)
    options = fields.Nested(OptionsSchema, load_default=partial(OptionsSchema().load, {}))


class SubmissionQuerySchema(Schema):
    """The query of a submission."""

    force = fields.Boolean(
        load_default=False,
        metadata={"description": "Start a new job even if the same one is running."},
    )


class SubmissionHeadersSchema(Schema):
    """The headers that a submission knows."""

    idempotency_key = fields.String(
        data_key="Idempotency-Key",
        load_default=None,
        allow_none=False,
        validate=validate.Length(1, 255),
        metadata={"description": "The same key and body give the same job for 24 hours."},
    )


class JobsQuerySchema(Schema):
    """Which jobs to list, and from where on."""

    status = Several(
        Choice("JobStatus", JobStatus),
        load_default=list,
        metadata={"description": "One or several, in one parameter with commas or in several.", "example": ["failed"]},
    )
    video_id = fields.String(
        load_default=None,
        allow_none=False,
        validate=validate.Length(1, MAX_TEXT),
        metadata={"description": "Of this recording, as a job shows it."},
    )
    source = Choice("VideoSource", SOURCES, load_default=None, description="Where the recording came from.")
    channel = fields.String(
        load_default=None,
        allow_none=False,
        validate=validate.Length(1, MAX_TEXT),
        metadata={"description": "Whatever the case."},
    )
    q = fields.String(
        load_default=None,
        allow_none=False,
        validate=validate.Length(1, 200),
        metadata={
            "description": "Text in the address, the video's id, title or channel, or the metadata, whatever the case."
        },
    )
    created_after = fields.AwareDateTime(
        format="iso",
        load_default=None,
        allow_none=False,
        default_timezone=UTC,
        metadata={"description": "That moment included.", "example": "2026-11-01T00:00:00Z"},
    )
    created_before = fields.AwareDateTime(
        format="iso",
        load_default=None,
        allow_none=False,
        default_timezone=UTC,
        metadata={"description": "That moment not included.", "example": "2026-12-01T00:00:00Z"},
    )
    metadata = fields.List(
        Pair(),
        load_default=list,
        validate=validate.Length(max=MAX_PAIRS),
        metadata={"description": "KEY:VALUE, once or several times; all of them.", "example": ["episode:42"]},
    )
    sort = Choice(
        "JobOrder",
        ["-created_at", "created_at"],
        load_default="-created_at",
        description="Newest first, or oldest first.",
    )
    limit = Whole(load_default=20, validate=validate.Range(1, 100), metadata={"description": "How many at most."})
    cursor = fields.String(
        load_default=None,
        allow_none=False,
        validate=validate.Length(1, 100),
        metadata={"description": "`next_cursor` of the page before; with the same `sort`."},
    )
