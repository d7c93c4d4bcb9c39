"""A line before the API, so that a crowd waits instead of failing for want of a Redis connection."""

import threading
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from shared.redis.connection import MAX_CONNECTIONS

# A request takes several turns at the connections. Were there more requests than connections, each turn would wait
# behind all the others', and thousands that come at once (streams after a restart) would all take too long.
PLACES = MAX_CONNECTIONS - 10
# Longer than this only a Redis that hangs can hold the line: then better an error than no answer.
WAIT_S = 30.0


class ConcurrencyLimit:
    """Lets so many API requests work at once. What is sent afterwards, a stream or a file, holds no place."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application
        self._places = threading.BoundedSemaphore(PLACES)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not environ.get("PATH_INFO", "").startswith("/api/"):
            return self._application(environ, start_response)
        has_place = self._places.acquire(timeout=WAIT_S)
        try:
            return self._application(environ, start_response)
        finally:
            if has_place:
                self._places.release()
