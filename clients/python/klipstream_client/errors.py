"""What can go wrong, as types to decide by."""

from collections.abc import Mapping

Json = Mapping[str, object]


class KlipStreamError(Exception):
    """Whatever this package raises."""


class Unreachable(KlipStreamError):
    """There is no server at this address, it went away, or what answers is not KlipStream.

    was_sent: the request may have reached the server and done its work, though no answer came.
    """

    def __init__(self, message: str, *, was_sent: bool = True) -> None:
        self.was_sent = was_sent
        super().__init__(message)


class DamagedDownload(KlipStreamError):
    """What arrived is not the file that the job's manifest names, or more than the caller takes."""


class WebhookRefused(KlipStreamError):
    """A webhook is not from the server, too old, or has been changed."""


class ApiError(KlipStreamError):
    """The server answered with a problem (RFC 9457). Decide by `code`.

    status: of the answer.  advice: what to do.  reference: to quote when asking for help, it is in the server's log.
    retry_after_s: when to ask again, None: not told.  errors: what is wrong with each field.  problem: all members.
    """

    def __init__(self, status: int, problem: Json, *, retry_after_s: float | None = None) -> None:
        self.status = status
        self.problem = problem
        self.code = _text(problem, "code")
        self.error_type = _text(problem, "error_type")
        self.detail = _text(problem, "detail") or _text(problem, "title") or f"The server answered {status}."
        self.advice = _text(problem, "suggested_action")
        self.reference = _text(problem, "support_reference")
        self.retryable = problem.get("retryable") is True
        self.retry_after_s = retry_after_s if retry_after_s is not None else _seconds(problem)
        self.errors = _errors(problem)
        super().__init__(self.detail)


class InvalidRequest(ApiError):
    """The request can't be taken as it is (400, 413, 415, 422): `errors` names the fields."""


class Unauthorized(ApiError):
    """The API key is missing or wrong (401)."""


class NotFound(ApiError):
    """There is no such job, file or highlight, or it is not yours (404)."""


class Conflict(ApiError):
    """The job is not in a state for this (409)."""


class RateLimited(ApiError):
    """Too many requests, or too many unfinished jobs (429): `retry_after_s` says when to come back."""


_BY_STATUS: Mapping[int, type[ApiError]] = {
    400: InvalidRequest,
    401: Unauthorized,
    404: NotFound,
    409: Conflict,
    413: InvalidRequest,
    415: InvalidRequest,
    422: InvalidRequest,
    429: RateLimited,
}


def api_error(status: int, problem: Json, *, retry_after: str | None) -> ApiError:
    """The exception for a problem document. retry_after: the header, which the document repeats."""
    seconds = float(retry_after) if retry_after and retry_after.isascii() and retry_after.isdigit() else None
    return _BY_STATUS.get(status, ApiError)(status, problem, retry_after_s=seconds)


def _text(problem: Json, name: str) -> str:
    value = problem.get(name)
    return value if isinstance(value, str) else ""


def _seconds(problem: Json) -> float | None:
    value = problem.get("retry_after_seconds")
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None


def _errors(problem: Json) -> Mapping[str, tuple[str, ...]]:
    found = problem.get("errors")
    if not isinstance(found, dict):
        return {}
    return {
        str(field): tuple(str(reason) for reason in reasons)
        for field, reasons in found.items()
        if isinstance(reasons, list)
    }
