"""How gunicorn logs: through shared.log, one line a request, never the query string (it may hold a key)."""

import logging
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Protocol

from gunicorn.config import Config
from gunicorn.glogging import Logger

from shared.log import configure_logging, logger
from shared.settings import settings

QUIET_PATHS = frozenset({"/health", "/ready", "/metrics"})
access_log = logger("klipstream.access")


class _Answered(Protocol):
    """What is read of gunicorn's answer to a request."""

    headers: Iterable[tuple[str, str]]
    status_code: int
    sent: int


class StructuredLogger(Logger):  # type: ignore[misc] # gunicorn has no types
    """gunicorn's own messages and the access log in the form of all our logs."""

    def setup(self, cfg: Config) -> None:
        configure_logging(settings())
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        self.loglevel = self.LOG_LEVELS.get(cfg.loglevel.lower())
        self.error_log.setLevel(self.loglevel)
        self.error_log.addFilter(_is_not_a_lost_client)

    def access(self, resp: _Answered, req: object, environ: Mapping[str, object], request_time: timedelta) -> None:
        path = str(environ.get("PATH_INFO", ""))
        if path in QUIET_PATHS:
            return
        headers = {str(name).lower(): value for name, value in resp.headers}
        log_request(
            method=str(environ.get("REQUEST_METHOD", "")),
            path=path,
            status=resp.status_code,
            seconds=request_time.total_seconds(),
            sent_bytes=resp.sent,
            address=str(environ.get("REMOTE_ADDR", "")),
            request_id=headers.get("x-request-id"),
        )


def log_request(
    *, method: str, path: str, status: int, seconds: float, sent_bytes: int, address: str, request_id: str | None
) -> None:
    access_log.info(
        "request",
        method=method,
        path=path,
        status=status,
        seconds=round(seconds, 4),
        bytes=sent_bytes,
        address=address,
        request_id=request_id,
    )


def _is_not_a_lost_client(record: logging.LogRecord) -> bool:
    """A client that stopped reading ends in a timeout of its socket: everyday, not an error with a trace."""
    kind = record.exc_info[0] if record.exc_info else None
    return not (kind is not None and issubclass(kind, TimeoutError))
