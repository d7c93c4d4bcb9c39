"""Jobs: submit, look, list, cancel, retry."""

from collections.abc import Callable
from functools import partial
from typing import TypedDict

from flask import Response, jsonify, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from shared import jobs
from shared.errors import (
    IdempotencyKeyReused,
    InvalidRequest,
    InvalidTwitchUrl,
    JobConflict,
    UnsupportedSource,
)
from shared.jobs import Job, Refused, utc_now
from shared.log import logger
from shared.representations import job_view, progress_of
from shared.stages import JobStatus
from tasks import pipeline
from web.answers import JobPageSchema, JobSchema, JobStateSchema
from web.auth import own_job, owner
from web.blueprints import blueprint
from web.calls import ETAG, IF_NONE_MATCH, LOCATION, operation, shown
from web.dependencies import dependencies
from web.schemas import JobsQuerySchema, SubmissionHeadersSchema, SubmissionQuerySchema, SubmissionSchema
from web.submission import Submission, digest, new_job

blp = blueprint("analysis", "Jobs: from a recording to its highlights.")
log = logger("klipstream.web")


class _Force(TypedDict):
    force: bool


class _Idempotency(TypedDict):
    idempotency_key: str | None


class _Page(TypedDict):
    status: str | None
    video_id: str | None
    limit: int
    cursor: str | None


def job_response(job: Job, status: int) -> Response:
    """The job as JSON, with its address in `Location` where it was made or changed."""
    response = jsonify(job_view(job))
    response.status_code = status
    if status != 200 or request.method == "POST":
        response.headers["Location"] = url_for("analysis.job", job_id=job.job_id)
    return response


@blp.route("/api/v1/analysis", methods=["POST"])
@blp.arguments(SubmissionSchema)
@blp.arguments(SubmissionQuerySchema, location="query")
@blp.arguments(SubmissionHeadersSchema, location="headers")
@blp.response(202, JobSchema, headers=LOCATION, description="A new job.", examples=shown("Job", "queued"))
@blp.alt_response(
    200,
    schema=JobSchema,
    headers=LOCATION,
    description="The job this request means, made before.",
    examples=shown("Job", "running"),
)
@operation("submitAnalysis", InvalidTwitchUrl, UnsupportedSource, IdempotencyKeyReused, JobConflict)
def submit(body: Submission, query: _Force, headers: _Idempotency) -> Response:
    """Analyse a recording.

    The answer comes at once; follow the job's stream to see it work. The same recording and options, still at work for
    the same key, give that job again unless `force=true`.
    """
    own = dependencies()
    wanted = new_job(body, owner=owner(), config=own.config)
    created = own.store.create(
        wanted,
        max_active=own.config.max_active_jobs_per_key,
        idempotency_key=headers["idempotency_key"],
        body_hash=digest(body),
        force=query["force"],
    )
    if created.is_new:
        log.info("job_created", job_id=created.job.job_id, kind=created.job.source["kind"])
        pipeline.admit(own.store)
    return job_response(created.job, 202 if created.is_new else 200)


@blp.route("/api/v1/analysis/<job_id>")
@blp.response(200, JobSchema)
@operation("getAnalysis")
def job(job_id: str) -> Response:
    """One job."""
    return job_response(own_job(job_id), 200)


@blp.route("/api/v1/analysis/<job_id>/status")
@blp.response(200, JobStateSchema, headers=ETAG)
@blp.alt_response(304, description="Nothing has changed since the ETag in If-None-Match.", headers=ETAG)
@blp.doc(parameters=[IF_NONE_MATCH])
@operation("getAnalysisStatus")
def status(job_id: str) -> AnyResponse:
    """The job's status, progress and error only, with an ETag for cheap polling."""
    found = own_job(job_id)
    error = found.error.as_dict() if found.error else None
    response = jsonify(status=found.status.value, progress=progress_of(found), error=error)
    response.set_etag(f"{found.job_id}-{found.seq}")
    response.headers["Cache-Control"] = "no-cache"
    return response.make_conditional(request)


@blp.route("/api/v1/analysis/<job_id>", methods=["DELETE"])
@blp.response(202, JobSchema, headers=LOCATION, description="Cancelled.", examples=shown("Job", "cancelled"))
@operation("cancelAnalysis", JobConflict)
def cancel(job_id: str) -> Response:
    """Cancel a job: running work stops; what its stages finished is kept for a while, for a retry to go on from."""
    cancelled = _change(job_id, jobs.cancel)
    try:
        pipeline.clean_up(job_id)
    except pipeline.BROKER_ERRORS as error:
        log.warning("clean_up_not_sent", job_id=job_id, reason=str(error))
    return job_response(cancelled, 202)


@blp.route("/api/v1/analysis/<job_id>/retry", methods=["POST"])
@blp.response(202, JobSchema, headers=LOCATION, description="A new attempt.", examples=shown("Job", "running"))
@operation("retryAnalysis", JobConflict)
def retry(job_id: str) -> Response:
    """Go on with a failed or cancelled job, from the first unfinished stage, as a new attempt."""
    own = dependencies()
    again = _change(job_id, jobs.retry, max_active=own.config.max_active_jobs_per_key)
    pipeline.admit(own.store)
    return job_response(again, 202)


def _change(job_id: str, transition: Callable[..., Job], *, max_active: int | None = None) -> Job:
    own_job(job_id)
    try:
        return dependencies().store.change(job_id, partial(transition, now=utc_now()), max_active=max_active)
    except Refused as error:
        raise JobConflict(str(error)) from None


@blp.route("/api/v1/jobs")
@blp.arguments(JobsQuerySchema, location="query")
@blp.response(200, JobPageSchema)
@operation("listAnalyses")
def list_jobs(query: _Page) -> Response:
    """Your jobs, newest first, a page at a time."""
    try:
        page = dependencies().store.page(
            owner(),
            status=JobStatus(query["status"]) if query["status"] else None,
            video_id=query["video_id"],
            limit=query["limit"],
            cursor=query["cursor"],
        )
    except ValueError:
        raise InvalidRequest(errors={"cursor": ["Must be the next_cursor of the page before."]}) from None
    return jsonify(jobs=[job_view(found) for found in page.jobs], next_cursor=page.next_cursor)
