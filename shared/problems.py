"""An error as people get to see it: the members of an RFC 9457 problem."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NotRequired, TypedDict

from shared.errors import KlipError


def new_support_reference() -> str:
    """`ERR-YYYYMMDD-XXXXXXXX`: stands in the log line and in what the user sees."""
    return f"ERR-{datetime.now(UTC):%Y%m%d}-{secrets.token_hex(4).upper()}"


class Problem(TypedDict):
    """The members of RFC 9457 and ours. errors: by field, on validation."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    error_type: str
    retryable: bool
    retry_after_seconds: float | None
    suggested_action: str
    support_reference: str
    errors: NotRequired[Mapping[str, object]]


def problem(error: KlipError, *, instance: str, base_url: str = "") -> Problem:
    """The members of an RFC 9457 problem for `error`."""
    cls = type(error)
    members: Problem = {
        "type": f"{base_url}/docs/errors#{cls.code}",
        "title": cls.title(),
        "status": cls.http_status,
        "detail": error.detail,
        "instance": instance,
        "code": cls.code,
        "error_type": cls.error_type.value,
        "retryable": cls.retryable,
        "retry_after_seconds": error.retry_after_s if cls.retryable else None,
        "suggested_action": cls.suggested_action,
        "support_reference": new_support_reference(),
    }
    if error.errors:
        members["errors"] = error.errors
    return members
