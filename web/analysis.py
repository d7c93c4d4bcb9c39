"""Jobs: submit, look, cancel, retry, remove."""

from collections.abc import Callable
from functools import partial
from typing import TypedDict

from flask import Response, jsonify, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from shared import jobs
from shared.errors import (
    IdempotencyKeyReused,
    InvalidTwitchUrl,
    JobConflict,
    StorageServiceError,
    UnsupportedSource,
)
from shared.jobs import Job, Refused, utc_now
from shared.log import logger
from shared.representations import job_view, progress_of
from shared.waiting import Waiting
from tasks import pipeline
from web.answers import JobSchema, JobStateSchema
from web.auth import own_job, own_job_as_it_stands, owner
from web.blueprints import blueprint
from web.calls import LOCATION, operation, shown
from web.conditional import unless_known
from web.dependencies import dependencies
from web.job_views import wait_of, waits_now
from web.reachable import check_within_reach
from web.removal import remove_now
from web.schemas import SubmissionHeadersSchema, SubmissionQuerySchema, SubmissionSchema
from web.submission import Submission, digest, new_job

blp = blueprint("analysis", "Jobs: from a recording to its highlights.")
log = logger("klipstream.web")


class _Force(TypedDict):
    force: bool


class _Idempotency(TypedDict):
    idempotency_key: str | None


def job_response(job: Job, status: int) -> Response:
    """The job as JSON, with its address in `Location` where it was made or changed."""
    (waiting,) = waits_now(dependencies().store, [job])
    return _response(job, waiting, status)


def _response(job: Job, waiting: Waiting | None, status: int) -> Response:
    response = jsonify(job_view(job, waiting=waiting))
    response.status_code = status
    if status != 200 or request.method == "POST":
        response.headers["Location"] = url_for("analysis.job", job_id=job.job_id)
    return response


@blp.route("/api/v1/analysis", methods=["POST"])
@blp.arguments(SubmissionSchema())
@blp.arguments(SubmissionQuerySchema(), location="query")
@blp.arguments(SubmissionHeadersSchema(), location="headers")
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
    check_within_reach(wanted, own.config)
    submitted = own.store.submit(
        wanted,
        admit=pipeline.SENT_IN_PASSING,
        max_active=own.config.max_active_jobs_per_key,
        idempotency_key=headers["idempotency_key"],
        body_hash=digest(body),
        force=query["force"],
    )
    job = submitted.seen.job
    if submitted.is_new:
        log.info("job_created", job_id=job.job_id, kind=job.source["kind"])
        pipeline.send_admitted(own.store, submitted.admitted)
    return _response(job, wait_of(submitted.seen), 202 if submitted.is_new else 200)


@blp.route("/api/v1/analysis/<job_id>")
@blp.response(200, JobSchema)
@operation("getAnalysis")
def job(job_id: str) -> Response:
    """One job."""
    seen = own_job_as_it_stands(job_id)
    return _response(seen.job, wait_of(seen), 200)


@blp.route("/api/v1/analysis/<job_id>/status")
@blp.response(200, JobStateSchema)
@unless_known
@operation("getAnalysisStatus")
def status(job_id: str) -> AnyResponse:
    """The job's status, progress and error only, with an ETag for cheap polling."""
    seen = own_job_as_it_stands(job_id)
    found, waiting = seen.job, wait_of(seen)
    error = found.error.as_dict() if found.error else None
    response = jsonify(status=found.status.value, progress=progress_of(found, waiting=waiting), error=error)
    # Others that go first move a waiting job on without a change of its own.
    place = f"-{waiting.reason}{waiting.position or ''}" if waiting else ""
    response.set_etag(f"{found.job_id}-{found.seq}{place}")
    response.headers["Cache-Control"] = "no-cache"
    return response.make_conditional(request)


@blp.route("/api/v1/analysis/<job_id>", methods=["DELETE"])
@blp.response(204, description="The job is gone, and its files with it.")
@blp.alt_response(
    202,
    schema=JobSchema,
    headers=LOCATION,
    description="The job was not finished: it is cancelled.",
    examples=shown("Job", "cancelled"),
)
@operation("deleteAnalysis", JobConflict, StorageServiceError)
def remove(job_id: str) -> Response:
    """Remove a finished job for good, with its files, edits, webhooks and its row in the mirror.

    One that is not finished is cancelled, as by `/cancel`.
    """
    found = own_job(job_id)
    if not found.is_terminal:
        return _cancelled(job_id)
    remove_now(found)
    log.info("job_removed", job_id=job_id, status=found.status.value)
    return Response(status=204)


@blp.route("/api/v1/analysis/<job_id>/cancel", methods=["POST"])
@blp.response(202, JobSchema, headers=LOCATION, description="Cancelled.", examples=shown("Job", "cancelled"))
@operation("cancelAnalysis", JobConflict)
def cancel(job_id: str) -> Response:
    """Cancel a job: running work stops; what its stages finished is kept for a while, for a retry to go on from."""
    return _cancelled(job_id)


def _cancelled(job_id: str) -> Response:
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
