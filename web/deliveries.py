"""What became of a job's webhooks, and sending them again."""

from flask import Response, jsonify
from marshmallow import Schema, fields

from shared.errors import JobConflict, NotFound
from shared.jobs import EVENTS
from shared.redis import outbox
from shared.redis.connection import redis_errors
from web.answers import MOMENT, whole
from web.auth import own_job
from web.blueprints import blueprint
from web.calls import operation
from web.choices import Choice
from web.dependencies import dependencies

blp = blueprint("deliveries", "Webhooks that were sent.")


@whole
class DeliveryTrySchema(Schema):
    """One attempt to deliver an event."""

    at = fields.String(metadata=MOMENT)
    seconds = fields.Float()
    status = fields.Integer(allow_none=True, metadata={"description": "Of the receiver's answer, if there was one."})
    answer = fields.String(metadata={"description": "The first 200 characters of it."})
    error = fields.String(allow_none=True, metadata={"description": "Why there was no answer."})


@whole
class DeliverySchema(Schema):
    """One event for one receiver."""

    id = fields.String(metadata={"description": "The webhook-id: the same for every try of this event."})
    type = Choice("WebhookEvent", EVENTS)
    url = fields.String()
    state = Choice("DeliveryState", ["pending", "delivered", "failed", "gone"])
    created_at = fields.String(metadata=MOMENT)
    next_try_at = fields.String(allow_none=True, metadata=MOMENT)
    tries = fields.List(fields.Nested(DeliveryTrySchema))


@whole
class DeliveryListSchema(Schema):
    """A job's webhooks."""

    deliveries = fields.List(fields.Nested(DeliverySchema))


@blp.route("/api/v1/analysis/<job_id>/deliveries")
@blp.response(200, DeliveryListSchema)
@operation("listDeliveries")
def deliveries(job_id: str) -> Response:
    """The webhooks of a job, oldest first, with every try and its answer."""
    job = own_job(job_id)
    with redis_errors():
        return jsonify(deliveries=outbox.deliveries(dependencies().redis, job.job_id))


@blp.route("/api/v1/analysis/<job_id>/deliveries/<delivery_id>/replay", methods=["POST"])
@blp.response(202, DeliverySchema)
@operation("replayDelivery", NotFound, JobConflict)
def replay(job_id: str, delivery_id: str) -> Response:
    """Send a webhook again, with the same id and body, whatever came of it before: at once, then as any other."""
    job = own_job(job_id)
    response = jsonify(outbox.replay(dependencies().redis, job.job_id, delivery_id))
    response.status_code = 202
    return response
