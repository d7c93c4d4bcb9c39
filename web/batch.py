"""Several recordings submitted at once, each with an answer of its own."""

from collections.abc import Mapping
from typing import TypedDict

from flask import Response, jsonify, request, url_for
from marshmallow import Schema, ValidationError, fields, validate

from shared.errors import InvalidRequest, KlipError
from shared.log import logger
from shared.problems import problem
from shared.redis.store import Created
from tasks import pipeline
from web.answers import JobSchema, ProblemSchema, whole
from web.auth import owner
from web.blueprints import blueprint, flat
from web.calls import operation
from web.dependencies import dependencies
from web.job_views import views
from web.reachable import check_within_reach
from web.request_body import LONG_BODIES
from web.schemas import SubmissionHeadersSchema, SubmissionSchema
from web.submission import Submission, digest, new_job

MAX_ITEMS = 100
MAX_BYTES = 1024 * 1024
blp = blueprint("batch", "Several jobs at once.")
LONG_BODIES["batch.submit_all"] = MAX_BYTES
log = logger("klipstream.web")


class ItemSchema(SubmissionSchema):
    """One submission of several."""

    force = fields.Boolean(load_default=False, metadata={"description": "As the parameter of a single submission."})
    idempotency_key = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(1, 255),
        metadata={"description": "As the header of a single submission."},
    )


class Items(fields.List[object]):
    """Described as submissions, but each is read on its own: what is wrong with one is no matter of the others."""

    def _deserialize(
        self, value: object, attr: str | None, data: Mapping[str, object] | None, **kwargs: object
    ) -> list[object]:
        if not isinstance(value, list):
            raise self.make_error("invalid", input=value)
        return value


class _Body(TypedDict):
    analyses: list[object]


class _Idempotency(TypedDict):
    idempotency_key: str | None


class _Item(Submission):
    force: bool
    idempotency_key: str | None


class BatchSchema(Schema):
    """Submissions."""

    analyses = Items(fields.Nested(ItemSchema), required=True, validate=validate.Length(1, MAX_ITEMS))


@whole
class ItemAnswerSchema(Schema):
    """What a single submission would have been answered."""

    status = fields.Integer(metadata={"description": "202, 200, or the problem's.", "example": 202})
    location = fields.String(allow_none=True, metadata={"description": "The job."})
    job = fields.Nested(JobSchema, allow_none=True)
    error = fields.Nested(ProblemSchema, allow_none=True)


@whole
class BatchAnswerSchema(Schema):
    """An answer for each submission, in their order."""

    analyses = fields.List(fields.Nested(ItemAnswerSchema))


@blp.route("/api/v1/analyses", methods=["POST"])
@blp.arguments(BatchSchema())
@blp.arguments(SubmissionHeadersSchema(), location="headers")
@blp.response(207, BatchAnswerSchema, description="An answer for each, in their order.")
@operation("submitAnalyses")
def submit_all(body: _Body, headers: _Idempotency) -> Response:
    """Analyse several recordings, up to 100.

    Each is taken or refused on its own, with its own `idempotency_key`; under an `Idempotency-Key` for all of them, one
    without its own has that and its place.
    """
    key = headers["idempotency_key"]
    outcomes = [
        _outcome(item, default_key=f"{key}#{place}" if key else None) for place, item in enumerate(body["analyses"])
    ]
    made = [one for one in outcomes if isinstance(one, Created)]
    if any(one.is_new for one in made):
        pipeline.admit(dependencies().store)
    shown = dict(zip(map(id, made), views(dependencies().store, [one.job for one in made]), strict=True))
    response = jsonify(
        analyses=[_accepted(one, shown[id(one)]) if isinstance(one, Created) else _refused(one) for one in outcomes]
    )
    response.status_code = 207
    return response


def _outcome(item: object, *, default_key: str | None) -> Created | KlipError:
    try:
        return _created(item, default_key)
    except KlipError as error:
        log.info("request_refused", code=error.code, path=request.path, detail=error.detail)
        return error


def _created(item: object, default_key: str | None) -> Created:
    own = dependencies()
    try:
        body: _Item = ItemSchema().load(item)  # type: ignore[arg-type] # what is no object is refused
    except ValidationError as error:
        raise InvalidRequest(errors=flat(error.normalized_messages())) from None
    force, key = body["force"], body["idempotency_key"] or default_key
    submission: Submission = {
        "url": body["url"],
        "chat_url": body["chat_url"],
        "callback_url": body["callback_url"],
        "callback_events": body["callback_events"],
        "metadata": body["metadata"],
        "options": body["options"],
    }
    wanted = new_job(submission, owner=owner(), config=own.config)
    check_within_reach(wanted, own.config)
    created = own.store.create(
        wanted,
        max_active=own.config.max_active_jobs_per_key,
        idempotency_key=key,
        body_hash=digest(submission),
        force=force,
    )
    if created.is_new:
        log.info("job_created", job_id=created.job.job_id, kind=created.job.source["kind"])
    return created


def _accepted(created: Created, view: dict[str, object]) -> dict[str, object]:
    location = url_for("analysis.job", job_id=created.job.job_id)
    return {"status": 202 if created.is_new else 200, "location": location, "job": view, "error": None}


def _refused(error: KlipError) -> dict[str, object]:
    members = problem(error, instance=request.path).as_dict()
    return {"status": members["status"], "location": None, "job": None, "error": members}
