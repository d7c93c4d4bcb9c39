"""One deadline for an HTTP answer: its headers, its body and all of it, whatever the pace at which its bytes come.

A timeout of a socket is between two bytes: a server that sends one now and then would hold us for hours. Here every
read from the connection is given no more time than the answer has left; once it has none, it ends as a timeout.
"""

import math
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from http.client import HTTPResponse
from io import BufferedReader, BytesIO, RawIOBase
from socket import socket
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol, cast

import requests
from requests.adapters import HTTPAdapter
from urllib3 import PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.response import HTTPResponse as Urllib3Response

from shared.errors import ConnectionFailed, NetworkTimeout
from shared.net.edges import classify
from shared.net.traffic import note_received

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

READ_BYTES = 64 * 1024
MIN_BYTES_A_WINDOW = 16 * 1024
MAX_REDIRECT_BYTES = 4096  # of a redirect's body, which says nothing: no more of it is read


@dataclass(frozen=True, kw_only=True)
class AnswerLimits:
    """What one answer may take, redirects to it included; what takes longer is a NetworkTimeout.

    connect_s: to connect to one address.  silence_s: between two bytes.  headers_s: until the headers are whole.
    total_s: until the last byte; infinite for bodies of any length, which `window_s` bounds: seconds within which
    MIN_BYTES_A_WINDOW of the body have to come, None for any pace.  max_bytes: of a body that is read whole; a longer
    one is a ConnectionFailed.
    """

    connect_s: float = 10.0
    silence_s: float = 15.0
    headers_s: float = 30.0
    total_s: float = 60.0
    window_s: float | None = None
    max_bytes: int = 16 * 2**20


Timeouts = float | tuple[float, float] | tuple[float, None] | None


def _limits_of(timeout: Timeouts) -> AnswerLimits:
    """For libraries that know seconds only: those of a whole answer, or those to connect and between two bytes."""
    if timeout is None:
        return AnswerLimits()
    if isinstance(timeout, tuple):
        return AnswerLimits(connect_s=timeout[0], silence_s=timeout[1] or AnswerLimits.silence_s)
    return AnswerLimits(connect_s=timeout, silence_s=timeout, headers_s=timeout, total_s=timeout)


class Session(Protocol):
    """What is used of `requests.Session`; streamlink's own session is one."""

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest: ...

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response: ...  # noqa: ANN401 -- its options


class Deadline:
    """The clock of one answer, which runs from now on. A session takes it to its adapter as a request's `timeout`."""

    def __init__(self, limits: AnswerLimits) -> None:
        self.limits = limits
        self._began = self._window_began = monotonic()
        self._window_bytes = 0
        self._has_headers = False

    def left_s(self) -> float:
        """Seconds that are left. Raises TimeoutError when there are none."""
        limits = self.limits
        end_s = limits.total_s if self._has_headers else min(limits.headers_s, limits.total_s)
        left_s = self._began + end_s - monotonic()
        if left_s <= 0:
            raise TimeoutError("the answer took too long")
        return left_s

    def bound(self, connection: socket, most_s: float) -> None:
        """Let the next operation on `connection` take `most_s`, or what is left of it. Raises TimeoutError."""
        connection.settimeout(min(most_s, self.left_s()))

    def headers_came(self) -> None:
        """From now on the body is waited for."""
        self._has_headers = True
        self._window_began, self._window_bytes = monotonic(), 0

    def saw(self, count: int) -> None:
        """So many bytes came. Raises TimeoutError when hardly any came within a window."""
        window_s = self.limits.window_s
        self._window_bytes += count
        if window_s is None or not self._has_headers or not count or monotonic() - self._window_began < window_s:
            return
        if self._window_bytes < MIN_BYTES_A_WINDOW:
            raise TimeoutError("the answer stalled")
        self._window_began, self._window_bytes = monotonic(), 0


_deadline: ContextVar[Deadline] = ContextVar("deadline")


def bounded_by_deadline(connection: socket, most_s: float | None) -> None:
    """Bound the next operation on a connection that is being made, by the deadline of the request that makes it."""
    _deadline.get().bound(connection, math.inf if most_s is None else most_s)


class _TimedReader(RawIOBase):
    """The bytes of one answer. The timeout of the socket is set anew for each read."""

    def __init__(self, connection: socket, deadline: Deadline) -> None:
        self._connection, self._deadline = connection, deadline
        self._bytes = connection.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        self._deadline.bound(self._connection, self._deadline.limits.silence_s)
        count = self._bytes.readinto(buffer)
        self._deadline.saw(count or 0)
        note_received(count or 0)
        return count

    def close(self) -> None:
        if not self.closed:
            self._bytes.close()
        super().close()


class _TimedSocket:
    """What `http.client` uses of a socket to read an answer."""

    def __init__(self, connection: socket, deadline: Deadline) -> None:
        self._connection, self._deadline = connection, deadline

    def makefile(self, _mode: str) -> BufferedReader:
        return BufferedReader(_TimedReader(self._connection, self._deadline))


class _TimedResponse(HTTPResponse):
    def __init__(self, connection: socket, method: str | None = None) -> None:
        self._deadline = _deadline.get()
        super().__init__(cast(socket, _TimedSocket(connection, self._deadline)), method=method)

    def begin(self) -> None:
        super().begin()
        self._deadline.headers_came()


class TimedConnection(HTTPConnection):
    """A connection whose answers have the deadline of the request that asked for them."""

    response_class = _TimedResponse

    def _new_conn(self) -> socket:
        connection = super()._new_conn()
        bounded_by_deadline(connection, self.timeout)  # for the handshake of TLS
        return connection


class TimedTlsConnection(TimedConnection, HTTPSConnection):
    """The same by TLS."""


class DeadlineAdapter(HTTPAdapter):
    """Sends requests whose `timeout` is a `Deadline`, or the seconds that libraries give.

    An answer that isn't streamed is read here, bounded in size; so is the beginning of each redirect's.
    """

    def __init__(self, *, connections: int = 16) -> None:
        super().__init__(pool_connections=connections, pool_maxsize=connections)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: object) -> None:
        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block)
        self.poolmanager.pool_classes_by_scheme = self.pool_classes()

    def pool_classes(self) -> dict[str, type[HTTPConnectionPool]]:
        """What makes the connections, by scheme."""
        return pools_of(TimedConnection, TimedTlsConnection)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Deadline | Timeouts = None,
        verify: bool | str = True,
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """The answer. Raises what `requests` does; ConnectionFailed and NetworkTimeout about a body read here."""
        deadline = timeout if isinstance(timeout, Deadline) else Deadline(_limits_of(timeout))
        limits = deadline.limits
        running = _deadline.set(deadline)
        try:
            seconds = (min(limits.connect_s, deadline.left_s()), limits.silence_s)
            response = super().send(request, True, seconds, verify, cert, proxies={})
        except TimeoutError as error:
            raise NetworkTimeout from error
        finally:
            _deadline.reset(running)
        if response.is_redirect:
            # `requests` reads the bodies of redirects that it follows, however long they are.
            beginning = _beginning_of(response)
            response.raw = Urllib3Response(beginning, preload_content=False) if stream else beginning
        elif not stream:
            response.raw = _whole(response, limits.max_bytes)
        return response


def send_within(
    limits: AnswerLimits, session: Session, request: requests.Request, *, stream: bool = False, redirects: bool = True
) -> requests.Response:
    """The answer to `request` by a session with `DeadlineAdapter`s. Raises as they do.

    stream: leave the body to be read; the limits hold for that, too.  redirects: follow them.
    """
    prepared = session.prepare_request(request)
    return session.send(prepared, timeout=Deadline(limits), stream=stream, allow_redirects=redirects)


def pools_of(plain: type[HTTPConnection], secure: type[HTTPSConnection]) -> dict[str, type[HTTPConnectionPool]]:
    """Pools of these connections, by scheme."""
    return {
        "http": type("TimedPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("TimedTlsPool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
    }


def _whole(response: requests.Response, max_bytes: int) -> BytesIO:
    """The body, decoded. Raises ConnectionFailed past `max_bytes`, and what went wrong with its connection."""
    body = BytesIO()
    try:
        while chunk := response.raw.read1(READ_BYTES, decode_content=True):
            body.write(chunk)
            if body.tell() > max_bytes:
                raise ConnectionFailed("A server sent a far too long answer.")
    except HTTPError as error:
        raise classify(error) from error
    finally:
        if response.raw.closed:
            response.raw.release_conn()
        else:
            response.raw.close()
    body.seek(0)
    return body


def _beginning_of(response: requests.Response) -> BytesIO:
    try:
        return BytesIO(response.raw.read(MAX_REDIRECT_BYTES, decode_content=True))
    except HTTPError as error:
        raise classify(error) from error
    finally:
        response.raw.close()
