"""What can go wrong while a job is worked on: the network, the video, resources, services."""

from shared.errors.base import ErrorType, FinalError, KlipError

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


class InvalidTwitchUrl(FinalError):
    """This is not the address of a Twitch VOD."""

    code = "INVALID_TWITCH_URL"
    error_type = ErrorType.INVALID_VIDEO_URL
    http_status = 422
    suggested_action = "Send a VOD link such as https://www.twitch.tv/videos/123456789, or its number."


class UnsupportedSource(FinalError):
    """This kind of source is not allowed here."""

    code = "UNSUPPORTED_SOURCE"
    error_type = ErrorType.INVALID_VIDEO_URL
    http_status = 422
    suggested_action = "Use a Twitch VOD; local files need LOCAL_MEDIA_DIR, direct links need MEDIA_HOSTS."


class VideoNotFound(FinalError):
    """There is no such video."""

    code = "VIDEO_NOT_FOUND"
    error_type = ErrorType.VIDEO_UNAVAILABLE
    http_status = 404
    suggested_action = "Check the link or the number."


class VideoUnavailable(FinalError):
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


class VideoSizeExceeded(FinalError):
    """The video is longer or larger than this server accepts."""

    code = "VIDEO_SIZE_EXCEEDED"
    error_type = ErrorType.VIDEO_TOO_LARGE
    http_status = 422
    suggested_action = "Choose a shorter video, or ask the operator to raise MAX_VIDEO_HOURS."


class UnsupportedFormat(FinalError):
    """The file is not a recording that can be read, or has no sound."""

    code = "UNSUPPORTED_FORMAT"
    error_type = ErrorType.INVALID_REQUEST
    http_status = 422
    suggested_action = "Send an mp4, mkv, ts, flv, mov, m4a, mp3 or wav file that plays and has sound."


class UnsupportedLanguage(FinalError):
    """No speech model for this language is set up."""

    code = "UNSUPPORTED_LANGUAGE"
    error_type = ErrorType.INVALID_REQUEST
    http_status = 422
    suggested_action = "Set WHISPER_MODEL to a multilingual model, use Deepgram, or choose language en."


class FileMissing(FinalError):
    """There is no such file."""

    code = "FILE_NOT_FOUND"
    error_type = ErrorType.NOT_FOUND
    http_status = 404
    suggested_action = "Check the name; the results list every file there is."


class PermissionDenied(FinalError):
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


class TranscriptionKeyRefused(FinalError):
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


class UnclassifiedError(KlipError):
    """Something unexpected happened."""

    code = "UNCLASSIFIED_ERROR"
