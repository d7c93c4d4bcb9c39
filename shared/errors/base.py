"""What every error of the catalogue is made of."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar


class ErrorType(StrEnum):
    """The kinds that clients tell apart; several codes share one."""

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
        errors: Mapping[str, object] | None = None,
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
        """The first line of the class's docstring, without its point."""
        return (cls.__doc__ or cls.code).strip().splitlines()[0].rstrip(".")


class FinalError(KlipError):
    """Trying the same again can't help."""

    retryable = False
    default_retry_after_s = None
