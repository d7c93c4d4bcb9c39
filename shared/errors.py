"""The error catalogue: every failure a user can be told about, with what to do next.

Raise the most exact class where the cause is known. A class's docstring is its title; `detail` says what happened this
time, in words that are safe to show: no paths, keys or traces.
"""

from enum import StrEnum
from typing import Any, ClassVar


class ErrorType(StrEnum):
    NETWORK_ERROR = "network_error"
    INVALID_VIDEO_URL = "invalid_video_url"
    VIDEO_UNAVAILABLE = "video_unavailable"
    VIDEO_TOO_LARGE = "video_too_large"
    PROCESSING_TIMEOUT = "processing_timeout"
    INSUFFICIENT_RESOURCES = "insufficient_resources"
    EXTERNAL_SERVICE_ERROR = "external_service_error"
    INVALID_REQUEST = "invalid_request"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    RATE_LIMITED = "rate_limited"
    UNAUTHORIZED = "unauthorized"
    CANCELLED = "cancelled"
    INTERNAL_ERROR = "internal_error"


class KlipError(Exception):
    """Something went wrong that has no class of its own yet.

    asked_s: how long whoever refused asked to be left alone, in seconds; None when nobody asked.
    """

    code: ClassVar[str] = "UNCLASSIFIED_ERROR"
    error_type: ClassVar[ErrorType] = ErrorType.INTERNAL_ERROR
    http_status: ClassVar[int] = 500
    retryable: ClassVar[bool] = True
    default_retry_after_s: ClassVar[int | None] = 120
    suggested_action: ClassVar[str] = "Try again in a few minutes; if it happens again, report the support reference."

    def __init__(
        self,
        detail: str | None = None,
        *,
        retry_after_s: float | None = None,
        errors: dict[str, Any] | None = None,
    ) -> None:
        self.detail = detail or self.title()
        self.asked_s = retry_after_s
        self.errors = errors
        super().__init__(self.detail)

    @property
    def retry_after_s(self) -> float | None:
        """When another try makes sense: what was asked for, else the catalogue's default."""
        return self.default_retry_after_s if self.asked_s is None else self.asked_s

    @classmethod
    def title(cls) -> str:
        return (cls.__doc__ or cls.code).strip().splitlines()[0].rstrip(".")


# --- the network ------------------------------------------------------------------------------------------------------


class NetworkTimeout(KlipError):
    """A server took too long to answer."""

    code = "NETWORK_TIMEOUT"
    error_type = ErrorType.NETWORK_ERROR
    http_status = 504
    default_retry_after_s = 60
    suggested_action = "Try again in a minute."


class ConnectionFailed(KlipError):
    """A server refused or dropped the connection."""

    code = "CONNECTION_FAILED"
    error_type = ErrorType.NETWORK_ERROR
    http_status = 502
    suggested_action = "Try again in two minutes; check the network if it goes on."


class DnsResolutionFailed(KlipError):
    """A host name could not be resolved."""

    code = "DNS_RESOLUTION_FAILED"
    error_type = ErrorType.NETWORK_ERROR
    http_status = 502
    default_retry_after_s = 60
    suggested_action = "Try again in a minute; check the DNS settings if it goes on."


# --- the video --------------------------------------------------------------------------------------------------------


class _Final(KlipError):
    """Trying the same again can't help."""

    retryable = False
    default_retry_after_s = None


class InvalidTwitchUrl(_Final):
    """This is not the address of a Twitch VOD."""

    code = "INVALID_TWITCH_URL"
    error_type = ErrorType.INVALID_VIDEO_URL
    http_status = 422
    suggested_action = "Send a VOD link such as https://www.twitch.tv/videos/123456789, or its number."


class UnsupportedSource(_Final):
    """This kind of source is not allowed here."""

    code = "UNSUPPORTED_SOURCE"
    error_type = ErrorType.INVALID_VIDEO_URL
    http_status = 422
    suggested_action = "Use a Twitch VOD; local files need LOCAL_MEDIA_DIR, direct links need MEDIA_HOSTS."


class VideoNotFound(_Final):
    """There is no such video."""

    code = "VIDEO_NOT_FOUND"
    error_type = ErrorType.VIDEO_UNAVAILABLE
    http_status = 404
    suggested_action = "Check the link or the number."


class VideoUnavailable(_Final):
    """The video is private, for subscribers only, or has been deleted."""

    code = "VIDEO_UNAVAILABLE"
    error_type = ErrorType.VIDEO_UNAVAILABLE
    http_status = 422
    suggested_action = "Make the video public, or choose another one."


class VideoNotReady(KlipError):
    """The stream is still live, or the site has not finished processing the recording."""

    code = "VIDEO_NOT_READY"
    error_type = ErrorType.VIDEO_UNAVAILABLE
    http_status = 409
    default_retry_after_s = 600
    suggested_action = "Try again when the stream has ended and plays on the site."


class VideoSizeExceeded(_Final):
    """The video is longer or larger than this server accepts."""

    code = "VIDEO_SIZE_EXCEEDED"
    error_type = ErrorType.VIDEO_TOO_LARGE
    http_status = 422
    suggested_action = "Choose a shorter video, or ask the operator to raise MAX_VIDEO_HOURS."


class UnsupportedFormat(_Final):
    """The file is not a recording that can be read, or has no sound."""

    code = "UNSUPPORTED_FORMAT"
    error_type = ErrorType.INVALID_REQUEST
    http_status = 422
    suggested_action = "Send an mp4, mkv, ts, flv, mov, m4a, mp3 or wav file that plays and has sound."


class UnsupportedLanguage(_Final):
    """No speech model for this language is set up."""

    code = "UNSUPPORTED_LANGUAGE"
    error_type = ErrorType.INVALID_REQUEST
    http_status = 422
    suggested_action = "Set WHISPER_MODEL to a multilingual model, use Deepgram, or choose language en."


class FileMissing(_Final):
    """There is no such file."""

    code = "FILE_NOT_FOUND"
    error_type = ErrorType.NOT_FOUND
    http_status = 404
    suggested_action = "Check the name; the results list every file there is."


class PermissionDenied(_Final):
    """This file or folder may not be read."""

    code = "PERMISSION_DENIED"
    error_type = ErrorType.INVALID_REQUEST
    http_status = 403
    suggested_action = "Use a name inside the media folder and check its permissions."


# --- resources --------------------------------------------------------------------------------------------------------


class OutOfMemory(KlipError):
    """A worker ran out of memory."""

    code = "OUT_OF_MEMORY"
    error_type = ErrorType.INSUFFICIENT_RESOURCES
    http_status = 503
    default_retry_after_s = 300
    suggested_action = "Try again in five minutes; give the workers more memory if it goes on."


class InsufficientStorage(KlipError):
    """There is not enough disk space."""

    code = "INSUFFICIENT_STORAGE"
    error_type = ErrorType.INSUFFICIENT_RESOURCES
    http_status = 507
    default_retry_after_s = 600
    suggested_action = "Free disk space, then try again."


class ProcessingTimeout(KlipError):
    """A stage took longer than it may, or stood still."""

    code = "PROCESSING_TIMEOUT"
    error_type = ErrorType.PROCESSING_TIMEOUT
    http_status = 504
    default_retry_after_s = 300
    suggested_action = "Try again; a shorter video helps if it goes on."


class WorkerLost(KlipError):
    """The process working on this stage died three times."""

    code = "WORKER_LOST"
    error_type = ErrorType.INTERNAL_ERROR
    default_retry_after_s = 300
    suggested_action = "Try again in five minutes; if it happens again, the recording may be damaged."


# --- services ---------------------------------------------------------------------------------------------------------


class TranscriptionServiceError(KlipError):
    """The speech service did not give a usable answer."""

    code = "TRANSCRIPTION_SERVICE_ERROR"
    error_type = ErrorType.EXTERNAL_SERVICE_ERROR
    http_status = 502
    default_retry_after_s = 180
    suggested_action = "Try again in three minutes, or use the local transcriber (whisper)."


class TranscriptionKeyRefused(_Final):
    """The speech service refuses the key, or its account has no credit."""

    code = "TRANSCRIPTION_KEY_REFUSED"
    error_type = ErrorType.EXTERNAL_SERVICE_ERROR
    http_status = 502
    suggested_action = "Check DEEPGRAM_API_KEY and the account's balance, or use the local transcriber (whisper)."


class DatabaseError(KlipError):
    """The database can't be reached or refuses to write."""

    code = "DATABASE_ERROR"
    error_type = ErrorType.EXTERNAL_SERVICE_ERROR
    http_status = 503
    suggested_action = "Try again in two minutes."


class StorageServiceError(KlipError):
    """The file storage did not do what it was asked."""

    code = "STORAGE_SERVICE_ERROR"
    error_type = ErrorType.EXTERNAL_SERVICE_ERROR
    http_status = 503
    default_retry_after_s = 180
    suggested_action = "Try again in three minutes."


class ExternalServiceError(KlipError):
    """A service we depend on gave a wrong answer."""

    code = "EXTERNAL_SERVICE_ERROR"
    error_type = ErrorType.EXTERNAL_SERVICE_ERROR
    http_status = 502
    suggested_action = "Try again in a few minutes."


class CircuitOpen(KlipError):
    """A service failed again and again and is left alone for a minute.

    alone: whether it failed for nobody but the one who is told so.
    """

    code = "CIRCUIT_OPEN"
    error_type = ErrorType.EXTERNAL_SERVICE_ERROR
    http_status = 503
    default_retry_after_s = 60
    suggested_action = "Try again in a minute; /api/v1/reliability shows which service it is."

    def __init__(self, detail: str | None = None, *, retry_after_s: float | None = None, alone: bool = False) -> None:
        super().__init__(detail, retry_after_s=retry_after_s)
        self.alone = alone


class ChatUnavailable(KlipError):
    """The chat of this video can't be had; the job goes on without it."""

    code = "CHAT_UNAVAILABLE"
    error_type = ErrorType.EXTERNAL_SERVICE_ERROR
    http_status = 502
    retryable = False
    default_retry_after_s = None
    suggested_action = "Nothing to do: highlights come from sound and words alone."


class RateLimitExceeded(KlipError):
    """Too many requests."""

    code = "RATE_LIMIT_EXCEEDED"
    error_type = ErrorType.RATE_LIMITED
    http_status = 429
    default_retry_after_s = 900
    suggested_action = "Wait as long as retry_after_seconds says."


# --- requests ---------------------------------------------------------------------------------------------------------


class InvalidRequest(_Final):
    """The request is not valid."""

    code = "INVALID_REQUEST"
    error_type = ErrorType.INVALID_REQUEST
    http_status = 422
    suggested_action = "Correct the fields named in errors."


class MalformedRequest(_Final):
    """The request can't be read."""

    code = "MALFORMED_REQUEST"
    error_type = ErrorType.INVALID_REQUEST
    http_status = 400
    suggested_action = "Send a JSON object with Content-Type: application/json."


class RequestTooLarge(_Final):
    """The request's body is too large."""

    code = "REQUEST_TOO_LARGE"
    error_type = ErrorType.INVALID_REQUEST
    http_status = 413
    suggested_action = "Send at most 64 KiB."


class UnsupportedMediaType(_Final):
    """The request's body is not in a form that can be read."""

    code = "UNSUPPORTED_MEDIA_TYPE"
    error_type = ErrorType.INVALID_REQUEST
    http_status = 415
    suggested_action = "Send JSON with Content-Type: application/json."


class RangeNotSatisfiable(_Final):
    """The file has no such range of bytes."""

    code = "RANGE_NOT_SATISFIABLE"
    error_type = ErrorType.INVALID_REQUEST
    http_status = 416
    suggested_action = "Ask for a range inside the file; Content-Range says how long it is."


class IdempotencyKeyReused(_Final):
    """This Idempotency-Key was used with another body."""

    code = "IDEMPOTENCY_KEY_REUSED"
    error_type = ErrorType.INVALID_REQUEST
    http_status = 422
    suggested_action = "Use a new key for a new request."


class MethodNotAllowed(_Final):
    """This address does not know this method."""

    code = "METHOD_NOT_ALLOWED"
    error_type = ErrorType.INVALID_REQUEST
    http_status = 405
    suggested_action = "See /docs for what each address accepts."


class NotFound(_Final):
    """There is nothing at this address."""

    code = "NOT_FOUND"
    error_type = ErrorType.NOT_FOUND
    http_status = 404
    suggested_action = "Check the address; see /docs."


class JobNotFound(_Final):
    """There is no such job."""

    code = "JOB_NOT_FOUND"
    error_type = ErrorType.NOT_FOUND
    http_status = 404
    suggested_action = "Check the job id; finished jobs are removed after JOB_RETENTION_DAYS."


class JobConflict(_Final):
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


class Unauthorized(_Final):
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


class Cancelled(_Final):
    """The job was cancelled."""

    code = "CANCELLED"
    error_type = ErrorType.CANCELLED
    http_status = 409
    suggested_action = "Retry the job to go on from where it stopped."


class UnclassifiedError(KlipError):
    """Something unexpected happened."""

    code = "UNCLASSIFIED_ERROR"


def _subclasses(cls: type[KlipError]) -> list[type[KlipError]]:
    return [found for sub in cls.__subclasses__() for found in (sub, *_subclasses(sub))]


def catalogue() -> dict[str, type[KlipError]]:
    """Every error there is, by code, in the order of this file."""
    # Modules have narrower kinds of these for themselves, which say the same code.
    here = [cls for cls in _subclasses(KlipError) if cls.__module__ == __name__]
    return {cls.code: cls for cls in here if not cls.__name__.startswith("_")}
