"""An error as people get to see it: the members of an RFC 9457 problem."""

import secrets
from datetime import UTC, datetime

from shared.errors import KlipError
from shared.records import Problem


def new_support_reference() -> str:
    """`ERR-YYYYMMDD-XXXXXXXX`: stands in the log line and in what the user sees."""
    return f"ERR-{datetime.now(UTC):%Y%m%d}-{secrets.token_hex(4).upper()}"


def problem(error: KlipError, *, instance: str, base_url: str = "") -> Problem:
    """`error` as a problem (RFC 9457)."""
    cls = type(error)
    return Problem(
        type=f"{base_url}/docs/errors#{cls.code}",
        title=cls.title(),
        status=cls.http_status,
        detail=error.detail,
        instance=instance,
        code=cls.code,
        error_type=cls.error_type.value,
        retryable=cls.retryable,
        retry_after_seconds=error.retry_after_s if cls.retryable else None,
        suggested_action=cls.suggested_action,
        support_reference=new_support_reference(),
        errors=error.errors or None,
    )
