"""HTTP in the small: one request through a guarded session, its failure named, tried again where that can help."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

import requests
from urllib3.exceptions import HTTPError as Urllib3Error

from shared.errors import (
    ConnectionFailed,
    DnsResolutionFailed,
    ExternalServiceError,
    KlipError,
    NetworkTimeout,
    RateLimitExceeded,
)
from shared.net.deadline import AnswerLimits, Session, send_within
from shared.net.edges import converted, status_error
from shared.net.egress import convert

RETRIED: tuple[type[KlipError], ...] = (
    NetworkTimeout,
    ConnectionFailed,
    DnsResolutionFailed,
    ExternalServiceError,
    RateLimitExceeded,
)
Abort = Callable[[], None]


def converted_errors() -> AbstractContextManager[None]:
    """Turns what requests, urllib3, sockets and the disk raise into the catalogue's errors."""
    return converted(Urllib3Error, OSError, into=convert)


def send(
    session: Session,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: object = None,
    limits: AnswerLimits,
    stream: bool = False,
) -> requests.Response:
    """One request. Any status is returned; raises the catalogue's network errors.

    limits: hold for the body of a streamed answer, too, while it is read.
    """
    with converted_errors():
        request = requests.Request(method, url, headers=dict(headers or {}), json=body)
        return send_within(limits, session, request, stream=stream)


def check_status(response: requests.Response, service: str) -> None:
    """Raise for answers that may be better next time: 429 RateLimitExceeded, 5xx and 408 ExternalServiceError."""
    error = status_error(response.status_code, response.headers, service=service)
    if error is not None:
        raise error


def json_of(response: requests.Response, service: str) -> object:
    """The parsed body. Raises ExternalServiceError when it is not JSON."""
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError) as error:
        raise ExternalServiceError(f"{service} sent an answer that can't be read.") from error


def pause(seconds: float, keep_going: Abort, *, step_s: float = 0.5) -> None:
    """Sleep, calling `keep_going` (which may raise) often enough that a cancelled job stops soon."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        keep_going()
        time.sleep(min(left, step_s))
