"""What became of a job's webhooks, and sending them again."""

from flask import Response, jsonify
from marshmallow import Schema, fields, validate

from shared.redis import outbox
from shared.redis.connection import redis_errors
from web.answers import whole
from web.auth import own_job
from web.blueprints import blueprint
from web.dependencies import dependencies

blp = blueprint("deliveries", "Webhooks that were sent.")


@whole
class TrySchema(Schema):
    """One attempt to deliver an event."""

    at = fields.String(metadata={"format": "date-time"})
    seconds = fields.Float()
    status = fields.Integer(allow_none=True, metadata={"description": "Of the receiver's answer, if there was one."})
    answer = fields.String(metadata={"description": "The first 200 characters of it."})
    error = fields.String(allow_none=True, metadata={"description": "Why there was no answer."})


@whole
class DeliverySchema(Schema):
    """One event for one receiver."""

    id = fields.String(metadata={"description": "The webhook-id: the same for every try of this event."})
    type = fields.String(metadata={"description": "job.started, job.completed, job.failed or job.cancelled"})
    url = fields.String()
    state = fields.String(validate=validate.OneOf(["pending", "delivered", "failed", "gone"]))
    created_at = fields.String(metadata={"format": "date-time"})
    next_try_at = fields.String(allow_none=True, metadata={"format": "date-time"})
    tries = fields.List(fields.Nested(TrySchema))


@whole
class DeliveriesSchema(Schema):
    """A job's webhooks."""

    deliveries = fields.List(fields.Nested(DeliverySchema))


@blp.route("/api/v1/analysis/<job_id>/deliveries")
@blp.response(200, DeliveriesSchema)
def deliveries(job_id: str) -> Response:
    """The webhooks of a job, oldest first, with every try and its answer."""
    job = own_job(job_id)
    with redis_errors():
        return jsonify(deliveries=outbox.deliveries(dependencies().redis, job.job_id))


@blp.route("/api/v1/analysis/<job_id>/deliveries/<delivery_id>/replay", methods=["POST"])
@blp.response(202, DeliverySchema)
def replay(job_id: str, delivery_id: str) -> Response:
    """Send a webhook again, with the same id and body, whatever came of it before: at once, then as any other."""
    job = own_job(job_id)
    response = jsonify(outbox.replay(dependencies().redis, job.job_id, delivery_id))
    response.status_code = 202
    return response
