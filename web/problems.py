"""Every error as `application/problem+json` (RFC 9457), from the catalogue in `shared.errors`."""

import json
import math

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from shared.errors import (
    KlipError,
    MalformedRequest,
    MethodNotAllowed,
    NotFound,
    RangeNotSatisfiable,
    RequestTooLarge,
    ServiceUnavailable,
    UnclassifiedError,
    UnsupportedMediaType,
)
from shared.log import logger
from shared.problems import problem

PROBLEM_JSON = "application/problem+json"
_BY_STATUS: dict[int, type[KlipError]] = {
    404: NotFound,
    405: MethodNotAllowed,
    413: RequestTooLarge,
    415: UnsupportedMediaType,
    416: RangeNotSatisfiable,
}
# Headers of werkzeug's own errors that mean something to a client: Allow (405), Content-Range (416).
_KEPT_HEADERS = ("Allow", "Content-Range")
log = logger("klipstream.web")


def problem_response(error: KlipError, **extra: object) -> Response:
    """The answer to a request that ended in `error`; `extra` members come after the standard ones."""
    members = problem(error, instance=request.path)
    response = Response(json.dumps(members.as_dict() | extra), status=members.status, content_type=PROBLEM_JSON)
    if members.retryable and members.retry_after_seconds is not None:
        response.headers["Retry-After"] = str(math.ceil(members.retry_after_seconds))
    if members.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    event = {"code": members.code, "support_reference": members.support_reference, "path": request.path}
    if isinstance(error, UnclassifiedError):
        log.error("request_failed", **event, exc_info=error.__cause__)
    elif members.status >= 500 and not isinstance(error, ServiceUnavailable):
        log.error("request_failed", **event, detail=error.detail, reason=str(error.__cause__ or ""))
    else:
        log.info("request_refused", **event, detail=error.detail)
    return response


def from_http_exception(error: HTTPException) -> Response:
    """werkzeug's own errors. Redirects pass as they are."""
    status = error.code or 500
    if status < 400:
        return Response(error.get_body(), status, error.get_headers())
    if status >= 500:
        return problem_response(_caused_by(UnclassifiedError(), error))
    response = problem_response(_BY_STATUS.get(status, MalformedRequest)())
    for name, value in error.get_headers():
        if name in _KEPT_HEADERS:
            response.headers[name] = value
    return response


def from_anything(error: Exception) -> Response:
    """The request's last resort: nothing of what went wrong inside is shown, the log has all of it."""
    return problem_response(_caused_by(UnclassifiedError(), error))


def _caused_by(error: KlipError, cause: BaseException) -> KlipError:
    error.__cause__ = cause
    return error


def register(app: Flask) -> None:
    """Answer every exception as a problem."""
    app.register_error_handler(KlipError, problem_response)
    app.register_error_handler(HTTPException, from_http_exception)
    app.register_error_handler(Exception, from_anything)
