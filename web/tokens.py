"""Tokens for browsers."""

from flask import Response, jsonify
from marshmallow import Schema, fields

from shared.jobs import moved, utc_now
from shared.representations import API
from web import job_token
from web.answers import MOMENT, whole
from web.auth import TOKEN_PARAMETER, own_job, owner
from web.blueprints import blueprint
from web.calls import operation
from web.dependencies import dependencies

blp = blueprint("tokens", "Access for browsers.")


@whole
class TokenSchema(Schema):
    """A token for one job, and the addresses that a page needs with it."""

    token = fields.String(metadata={"description": "For `?access_token=`; reads this job only."})
    expires_at = fields.String(metadata=MOMENT)
    expires_in_seconds = fields.Integer(metadata={"example": job_token.LIFE_S})
    stream_url = fields.String()
    results_url = fields.String()


@blp.route("/api/v1/analysis/<job_id>/tokens", methods=["POST"])
@blp.response(201, TokenSchema)
@operation("makeToken")
def make(job_id: str) -> Response:
    """A token with which a browser reads this job for 15 minutes.

    Taken as `access_token` by its stream, results, files, exports and deliveries, where a browser can't send a key.
    """
    job = own_job(job_id)
    now = utc_now()
    token = job_token.made(dependencies().redis, job_token.Grant(job.job_id, owner()))
    query = f"?{TOKEN_PARAMETER}={token}"
    response = jsonify(
        token=token,
        expires_at=moved(now, job_token.LIFE_S),
        expires_in_seconds=job_token.LIFE_S,
        stream_url=f"{API}/{job.job_id}/stream{query}",
        results_url=f"{API}/{job.job_id}/results{query}",
    )
    response.status_code = 201
    response.headers["Cache-Control"] = "no-store"
    return response
