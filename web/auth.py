"""Who asks: the name of an API key, or nobody in particular when no keys are set."""

import hmac

from flask import Flask, g, request

from shared.errors import JobNotFound, Unauthorized
from shared.jobs import Job
from web.dependencies import dependencies

# A browser's EventSource, <video> and <img> can't send headers, so these addresses also take the key as a parameter.
TOKEN_PARAMETER = "access_token"  # noqa: S105 -- the parameter's name
TOKEN_ENDPOINTS = frozenset({"stream.stream", "files.file", "files.manifest"})


def key_of_request() -> str | None:
    """The API key that came with the request, None without one."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        return key.strip()
    if request.endpoint in TOKEN_ENDPOINTS:
        return request.args.get(TOKEN_PARAMETER)
    return None


def owner_of_request() -> str | None:
    """The name of the request's key, "" when the server has no keys, None for a missing or wrong one."""
    keys = dependencies().config.api_keys
    if not keys:
        return ""
    given = (key_of_request() or "").encode()
    # Every key is compared, in constant time, so that nothing can be learnt from how long it took.
    matches = [name for name, key in keys.items() if hmac.compare_digest(given, key.encode())]
    return matches[0] if matches else None


def is_api_call() -> bool:
    """Whether the request needs a key, where keys are set."""
    return request.path.startswith("/api/") and request.method != "OPTIONS"


def check_key() -> None:
    """Note whose request it is. Raises Unauthorized."""
    if is_api_call():
        owner = owner_of_request()
        if owner is None:
            raise Unauthorized
        g.owner = owner


def owner() -> str:
    """Whose request it is, as `check_key` noted it."""
    return str(g.owner)


def own_job(job_id: str) -> Job:
    """The job, if it belongs to whoever asks. Raises JobNotFound otherwise, as if it did not exist."""
    if not (job_id.isascii() and job_id.replace("-", "").replace("_", "").isalnum() and len(job_id) <= 64):
        raise JobNotFound
    job = dependencies().store.get(job_id)
    if job.owner != owner():
        raise JobNotFound
    return job


def register(app: Flask) -> None:
    """Check the key before every request."""
    app.before_request(check_key)
