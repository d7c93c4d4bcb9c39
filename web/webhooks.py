"""A webhook to try a receiver with."""

import json
from typing import TypedDict
from uuid import uuid4

from flask import Response, jsonify
from marshmallow import Schema, fields, validate

from shared.errors import DatabaseError, InvalidRequest, ServiceUnavailable
from shared.redis import keys
from shared.redis.connection import redis_errors
from tasks import pipeline
from web.answers import whole
from web.blueprints import blueprint
from web.calls import operation
from web.dependencies import dependencies
from web.reachable import PRIVATE, may_be_called
from web.schemas import MAX_TEXT
from web.submission import checked_callback

ANSWER_WITHIN_S = 20
blp = blueprint("webhooks", "What is sent to a `callback_url`, and trying a receiver.")


class _Body(TypedDict):
    callback_url: str


class PingSchema(Schema):
    """Which receiver to try."""

    callback_url = fields.String(required=True, validate=validate.Length(1, MAX_TEXT))


@whole
class PongSchema(Schema):
    """What the receiver answered."""

    id = fields.String(metadata={"description": "The webhook-id."})
    status = fields.Integer(allow_none=True, metadata={"description": "Of its answer, if there was one."})
    answer = fields.String(metadata={"description": "The first 200 characters of it."})
    error = fields.String(allow_none=True, metadata={"description": "Why there was no answer."})
    seconds = fields.Float()


@blp.route("/api/v1/webhooks/ping", methods=["POST"])
@blp.arguments(PingSchema())
@blp.response(200, PongSchema)
@operation("pingWebhook", ServiceUnavailable)
def ping(body: _Body) -> Response:
    """Send a signed event of the type `ping` once, from where webhooks are sent from, and tell what was answered."""
    own = dependencies()
    url = checked_callback(body["callback_url"], own.config)
    if not may_be_called(url, own.config.allow_private_hosts):
        raise InvalidRequest(errors={"callback_url": [PRIVATE]})
    ping_id = f"msg_ping_{uuid4().hex}"
    with redis_errors():
        # Not in the message: what is in the address is nobody's business who looks at the queue.
        own.redis.set(keys.webhook_ping(ping_id), url, ex=ANSWER_WITHIN_S)
    try:
        pipeline.ping(ping_id, within_s=ANSWER_WITHIN_S)
    except pipeline.BROKER_ERRORS as error:
        raise DatabaseError from error
    return jsonify(id=ping_id, **_answer(ping_id))


def _answer(ping_id: str) -> dict[str, object]:
    client = dependencies().redis
    for _ in range(ANSWER_WITHIN_S):
        with redis_errors():
            found = client.blpop([keys.webhook_pong(ping_id)], timeout=1)
        if found is not None:
            answer: dict[str, object] = json.loads(found[1])
            return answer
    raise ServiceUnavailable("No worker of the queue delivery took the ping.")
