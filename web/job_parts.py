"""Parts of the answer about a job."""

from marshmallow import Schema, fields

from shared.jobs import PRIORITIES
from shared.waiting import REASONS
from web.choices import CLIP_CHOICES, SPOKEN, TRANSCRIBERS, VIDEO_FETCHED, Choice


class WaitingSchema(Schema):
    """What a job that nobody works on waits for."""

    reason = Choice(
        "WaitingReason",
        REASONS,
        required=True,
        description="turn: others go first; worker: for a free one; retry: to try a stage again; breaker: until a "
        "service that failed is tried again.",
    )
    position = fields.Integer(
        required=True,
        allow_none=True,
        metadata={
            "description": "Of a job that waits for its turn: 1 is the next, as an estimate. It moves on without an "
            "event; events other than the first two of a stream have null."
        },
    )
    since = fields.String(required=True, metadata={"format": "date-time"})
    until = fields.String(
        required=True, allow_none=True, metadata={"format": "date-time", "description": "When it is tried again."}
    )
    text = fields.String(required=True, metadata={"description": "As people read it."})


class JobOptionsSchema(Schema):
    """How the job is done: every option, those that were left out with their defaults."""

    video = Choice("VideoFetched", VIDEO_FETCHED, required=True)
    highlights = fields.Integer(required=True)
    language = Choice("Language", SPOKEN, required=True)
    transcriber = Choice("Transcriber", TRANSCRIBERS, required=True, allow_none=True)
    audio_track = fields.Integer(required=True, allow_none=True)
    clips = fields.Raw(required=True, metadata={"oneOf": CLIP_CHOICES})
    learn = fields.Boolean(required=True)
    chat_offset_seconds = fields.Float(required=True)
    priority = Choice("Priority", PRIORITIES, required=True)
    join = fields.List(fields.String(), required=True, metadata={"description": "`file:NAME` of each further part."})
