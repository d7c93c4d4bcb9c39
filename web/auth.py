"""Who asks: the name of an API key, or nobody in particular when no keys are set."""

import structlog
from flask import Flask, g, request

from shared.errors import JobNotFound, Unauthorized
from shared.jobs import Job
from shared.redis.store import Seen
from web import job_token
from web.dependencies import dependencies
from web.key_ring import KeyRing

# A browser's EventSource, <video>, <img> and links can't send headers, so these addresses take a token of the job as a
# parameter; the first two also the key itself.
TOKEN_PARAMETER = "access_token"  # noqa: S105 -- the parameter's name
KEY_ENDPOINTS = frozenset({"stream.stream", "files.file", "files.manifest"})
TOKEN_ENDPOINTS = KEY_ENDPOINTS | {"files.results", "files.export", "deliveries.deliveries"}


def key_of_request() -> str | None:
    """The API key that came with the request, None without one."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        return key.strip()
    if request.endpoint in KEY_ENDPOINTS:
        return request.args.get(TOKEN_PARAMETER)
    return None


def owner_of_request() -> str | None:
    """The name of the request's key or token, "" when the server has no keys, None for a missing or wrong one.

    Raises DatabaseError when a token can't be read.
    """
    ring = dependencies().keys
    if not ring.names:
        return ""
    if "asked_by" not in g:
        g.asked_by = ring.owner_of(key_of_request() or "") or _owner_of_token(ring)
    found: str | None = g.asked_by
    return found


def _owner_of_token(ring: KeyRing) -> str | None:
    """Whose token came with a request for the job that it is for; None where the owner has no key any more."""
    token = request.args.get(TOKEN_PARAMETER)
    if not token or request.endpoint not in TOKEN_ENDPOINTS or "Authorization" in request.headers:
        return None
    grant = job_token.read(dependencies().redis, token)
    is_good = (
        grant is not None and grant.owner in ring.names and grant.job_id == (request.view_args or {}).get("job_id")
    )
    return grant.owner if grant is not None and is_good else None


def is_api_call() -> bool:
    """Whether the request needs a key, where keys are set."""
    return request.path.startswith(("/api/", "/metrics")) and request.method != "OPTIONS"


def check_key() -> None:
    """Note whose request it is. Raises Unauthorized."""
    if is_api_call():
        owner = owner_of_request()
        if owner is None:
            raise Unauthorized
        g.owner = owner
        structlog.contextvars.bind_contextvars(owner=owner)


def owner() -> str:
    """Whose request it is, as `check_key` noted it."""
    return str(g.owner)


def own_job(job_id: str) -> Job:
    """The job, if it belongs to whoever asks. Raises JobNotFound otherwise, as if it did not exist."""
    _must_be_an_id(job_id)
    job = dependencies().store.get(job_id)
    _must_be_own(job)
    return job


def own_job_as_it_stands(job_id: str) -> Seen:
    """As `own_job`, with how many jobs go before it."""
    _must_be_an_id(job_id)
    seen = dependencies().store.look(job_id, owner=owner())
    _must_be_own(seen.job)
    return seen


def _must_be_an_id(job_id: str) -> None:
    if not (job_id.isascii() and job_id.replace("-", "").replace("_", "").isalnum() and len(job_id) <= 64):
        raise JobNotFound


def _must_be_own(job: Job) -> None:
    if job.owner != owner():
        raise JobNotFound


def register(app: Flask) -> None:
    """Check the key before every request."""
    app.before_request(check_key)
