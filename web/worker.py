"""gunicorn's gevent worker, which lets go of connections that are streams.

A request costs a greenlet with its stack and all that Flask knows of it, tens of KiB; a stream lasts for hours and
needs none of that once its head is known. So its connection is duplicated for the hub, and gunicorn's request ends.
What gunicorn refuses before there is a request is answered as a problem.
"""

import json
import os
import secrets
import socket
import ssl
from collections.abc import Iterator
from http import HTTPStatus
from typing import cast
from wsgiref.types import WSGIEnvironment

from gevent.monkey import get_original
from gunicorn.http.errors import (
    ConfigurationProblem,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
)
from gunicorn.util import write_nonblock
from gunicorn.workers.ggevent import GeventWorker

from shared.errors import AddressTooLong, HeadersTooLarge, KlipError, MalformedRequest
from shared.log import logger
from shared.problems import problem
from shared.records import Problem

_OUR_FAULT = (ConfigurationProblem, InvalidResponseHeader, InvalidResponseHeaderName)
log = logger("klipstream.web")


class HandedOver:
    """A WSGI application's answer when the connection has become somebody else's."""

    def __iter__(self) -> Iterator[bytes]:
        return iter(())


class StreamWorker(GeventWorker):  # type: ignore[misc] # gunicorn has no types
    """Closes its own end of a connection that was handed over, and writes nothing more to it."""

    def is_already_handled(self, respiter: object) -> bool:
        if isinstance(respiter, HandedOver):
            raise StopIteration  # what gunicorn's own workers do here
        return bool(super().is_already_handled(respiter))

    def handle_error(self, req: object, client: socket.socket, addr: object, exc: BaseException) -> None:
        """Answer what could not be read as a request, as every other error is answered."""
        if not isinstance(exc, ParseException) or isinstance(exc, _OUR_FAULT):
            super().handle_error(req, client, addr, exc)
            return
        error = _refusal(exc)
        told = problem(error, instance="/")
        log.info("request_refused", code=error.code, support_reference=told.support_reference, reason=str(exc))
        try:
            write_nonblock(client, _answer(told))
        except OSError as gone:
            log.debug("refusal_not_sent", reason=str(gone))


def _refusal(exc: BaseException) -> KlipError:
    if isinstance(exc, LimitRequestLine):
        return AddressTooLong()
    return HeadersTooLarge() if isinstance(exc, LimitRequestHeaders) else MalformedRequest("This is not HTTP.")


def _answer(told: Problem) -> bytes:
    status, body = HTTPStatus(told.status), json.dumps(told.as_dict()).encode()
    lines = (
        f"HTTP/1.1 {status.value} {status.phrase}",
        "Connection: close",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        f"X-Request-ID: {secrets.token_hex(16)}",
    )
    return "\r\n".join([*lines, "", ""]).encode() + body


def take_over(environ: WSGIEnvironment) -> socket.socket | None:
    """The request's connection, to be written to directly; None where something lies between (TLS, another server).

    Whoever takes it returns HandedOver. Raises OSError.
    """
    connection = environ.get("gunicorn.socket")
    if connection is None or isinstance(connection, ssl.SSLSocket) or environ.get("HTTP_VERSION") == "2":
        return None
    return plain_socket(os.dup(connection.fileno()))


def plain_socket(descriptor: int) -> socket.socket:
    """A socket without gevent, which would keep two watchers for each."""
    return cast("socket.socket", get_original("socket", "socket")(fileno=descriptor))
