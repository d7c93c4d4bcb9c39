"""gunicorn's gevent worker, which lets go of connections that are streams.

A request costs a greenlet with its stack and all that Flask knows of it, tens of KiB; a stream lasts for hours and
needs none of that once its head is known. So its connection is duplicated for the hub, and gunicorn's request ends.
"""

import os
import socket
import ssl
from collections.abc import Iterator
from typing import cast
from wsgiref.types import WSGIEnvironment

from gevent.monkey import get_original
from gunicorn.workers.ggevent import GeventWorker


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
