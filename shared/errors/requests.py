"""What can be wrong with a request, or with what it asks of a job."""

from shared.errors.base import ErrorType, FinalError, KlipError


class InvalidRequest(FinalError):
    """The request is not valid."""

    code = "INVALID_REQUEST"
    error_type = ErrorType.INVALID_REQUEST
    http_status = 422
    suggested_action = "Correct the fields named in errors."


class MalformedRequest(FinalError):
    """The request can't be read."""

    code = "MALFORMED_REQUEST"
    error_type = ErrorType.INVALID_REQUEST
    http_status = 400
    suggested_action = "Send a JSON object with Content-Type: application/json."


class RequestTooLarge(FinalError):
    """The request's body is too large."""

    code = "REQUEST_TOO_LARGE"
    error_type = ErrorType.INVALID_REQUEST
    http_status = 413
    suggested_action = "Send at most 64 KiB."


class AddressTooLong(FinalError):
    """The request's address is too long."""

    code = "ADDRESS_TOO_LONG"
    error_type = ErrorType.INVALID_REQUEST
    http_status = 414
    suggested_action = "Send at most 4 KiB of path and query."


class HeadersTooLarge(FinalError):
    """The request's headers are too long or too many."""

    code = "HEADERS_TOO_LARGE"
    error_type = ErrorType.INVALID_REQUEST
    http_status = 431
    suggested_action = "Send at most 64 headers of 8 KiB each."


class UnsupportedMediaType(FinalError):
    """The request's body is not in a form that can be read."""

    code = "UNSUPPORTED_MEDIA_TYPE"
    error_type = ErrorType.INVALID_REQUEST
    http_status = 415
    suggested_action = "Send JSON with Content-Type: application/json."


class RangeNotSatisfiable(FinalError):
    """The file has no such range of bytes."""

    code = "RANGE_NOT_SATISFIABLE"
    error_type = ErrorType.INVALID_REQUEST
    http_status = 416
    suggested_action = "Ask for a range inside the file; Content-Range says how long it is."


class IdempotencyKeyReused(FinalError):
    """This Idempotency-Key was used with another body."""

    code = "IDEMPOTENCY_KEY_REUSED"
    error_type = ErrorType.INVALID_REQUEST
    http_status = 422
    suggested_action = "Use a new key for a new request."


class IdempotentInProgress(KlipError):
    """A request with this Idempotency-Key is still being carried out."""

    code = "IDEMPOTENT_IN_PROGRESS"
    error_type = ErrorType.CONFLICT
    http_status = 409
    default_retry_after_s = 1
    suggested_action = "Send the same request again in a moment."


class MethodNotAllowed(FinalError):
    """This address does not know this method."""

    code = "METHOD_NOT_ALLOWED"
    error_type = ErrorType.INVALID_REQUEST
    http_status = 405
    suggested_action = "See /docs for what each address accepts."


class NotFound(FinalError):
    """There is nothing at this address."""

    code = "NOT_FOUND"
    error_type = ErrorType.NOT_FOUND
    http_status = 404
    suggested_action = "Check the address; see /docs."


class JobNotFound(FinalError):
    """There is no such job."""

    code = "JOB_NOT_FOUND"
    error_type = ErrorType.NOT_FOUND
    http_status = 404
    suggested_action = "Check the job id; finished jobs are removed after JOB_RETENTION_DAYS."


class JobConflict(FinalError):
    """The job's state does not allow this."""

    code = "JOB_CONFLICT"
    error_type = ErrorType.CONFLICT
    http_status = 409
    suggested_action = "Look at the job's status."


class ResultsNotReady(KlipError):
    """The job has not completed, so there are no results."""

    code = "RESULTS_NOT_READY"
    error_type = ErrorType.CONFLICT
    http_status = 409
    default_retry_after_s = 5
    suggested_action = "Follow the job's stream and ask again when it has completed."


class Unauthorized(FinalError):
    """This server needs an API key."""

    code = "UNAUTHORIZED"
    error_type = ErrorType.UNAUTHORIZED
    http_status = 401
    suggested_action = "Send Authorization: Bearer KEY."


class ServiceUnavailable(KlipError):
    """The service can't take this request now."""

    code = "SERVICE_UNAVAILABLE"
    error_type = ErrorType.INSUFFICIENT_RESOURCES
    http_status = 503
    default_retry_after_s = 30
    suggested_action = "Try again in half a minute; /ready says what is missing."


class Cancelled(FinalError):
    """The job was cancelled."""

    code = "CANCELLED"
    error_type = ErrorType.CANCELLED
    http_status = 409
    suggested_action = "Retry the job to go on from where it stopped."
