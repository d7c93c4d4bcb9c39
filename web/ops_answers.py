"""The shapes of what operators and scalers get, documented and held against real answers as those of `web.answers`."""

from marshmallow import Schema, fields, validate

from shared.errors import ErrorType
from web.answers import CODES, MOMENT, ProblemSchema, whole
from web.choices import Choice


@whole
class HealthSchema(Schema):
    """That the web process is alive."""

    status = fields.String(validate=validate.Equal("ok"))


@whole
class ReadyPartSchema(Schema):
    """Whether one part of what jobs need is there."""

    ok = fields.Boolean()
    reason = fields.String(allow_none=True, metadata={"description": "What is missing; null when nothing is."})


PARTS = fields.Dict(
    keys=fields.String(),
    values=fields.Nested(ReadyPartSchema),
    metadata={"description": "By name: redis, artifacts, disk, and worker-QUEUE for each queue."},
)


@whole
class ReadySchema(Schema):
    """That work can be taken."""

    ready = fields.Boolean(validate=validate.Equal(True))
    parts = PARTS


@whole(optional=("errors",))
class NotReadySchema(ProblemSchema):
    """The problem SERVICE_UNAVAILABLE, with what is missing."""

    ready = fields.Boolean(validate=validate.Equal(False))
    parts = PARTS


@whole
class ErrorEntrySchema(Schema):
    """One error of the catalogue."""

    code = Choice("ErrorCode", CODES)
    title = fields.String()
    error_type = Choice("ErrorType", ErrorType)
    status = fields.Integer()
    retryable = fields.Boolean()
    retry_after_seconds = fields.Integer(allow_none=True)
    suggested_action = fields.String()


@whole
class ErrorListSchema(Schema):
    """The error catalogue."""

    errors = fields.List(fields.Nested(ErrorEntrySchema))


@whole
class QueueSchema(Schema):
    """The state of one queue."""

    waiting = fields.Integer(metadata={"description": "Messages that no worker has taken."})
    running = fields.Integer(metadata={"description": "Jobs with a stage of this queue at work."})
    oldest_wait_seconds = fields.Float(allow_none=True)
    workers = fields.Integer(metadata={"description": "Worker processes that live."})
    mean_seconds = fields.Float(allow_none=True, metadata={"description": "Work per job in this queue, as measured."})


@whole
class QueueFiguresSchema(Schema):
    """The state of every queue, by name."""

    queues = fields.Dict(keys=fields.String(), values=fields.Nested(QueueSchema))


@whole
class BreakerSchema(Schema):
    """The state of one circuit breaker."""

    state = Choice("BreakerState", ["closed", "open", "half-open"])
    failures = fields.Integer(metadata={"description": "In a row that count: once a second for what they are about."})
    failing = fields.Integer(metadata={"description": "How many different jobs, or VODs, they are about."})
    openings = fields.Integer(metadata={"description": "How often it has opened."})
    probes = fields.Integer(metadata={"description": "How often a call was let through to see whether it is well."})
    refusals = fields.Integer(metadata={"description": "How many calls were not made."})
    opened_at = fields.String(allow_none=True, metadata=MOMENT)


@whole
class ReliabilitySchema(Schema):
    """Circuit breakers by service, and how often stages were tried again."""

    breakers = fields.Dict(keys=fields.String(), values=fields.Nested(BreakerSchema))
    retries = fields.Dict(
        keys=fields.String(), values=fields.Integer(), metadata={"description": "How often, by `stage:CODE`."}
    )
