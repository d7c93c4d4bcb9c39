"""What both clients ask of httpx: their settings, how its errors are told, how much of an answer is read."""

from collections.abc import Mapping

import httpx

from .calls import Answer, Call, T
from .errors import Unreachable
from .following import STREAM_SILENCE_S

TIMEOUT_S = 30.0
MAX_ANSWER_BYTES = 64 << 20
USER_AGENT = "klipstream-client/1.0.0"
STREAM_TIMEOUT = httpx.Timeout(TIMEOUT_S, read=STREAM_SILENCE_S)
# What httpx raises before a byte of the request has left.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


def headers_with(key: str | None) -> Mapping[str, str]:
    """Of every request."""
    return {"User-Agent": USER_AGENT} | ({"Authorization": f"Bearer {key}"} if key else {})


def unreachable(base_url: str, error: httpx.HTTPError | httpx.InvalidURL) -> Unreachable:
    """The error of httpx as ours."""
    reason = str(error) or type(error).__name__
    return Unreachable(f"{base_url} does not answer ({reason})", was_sent=not isinstance(error, _NOT_SENT))


def request_for(http: httpx.Client | httpx.AsyncClient, call: Call[T]) -> httpx.Request:
    """The request that makes this call."""
    return http.build_request(
        call.method, call.path, params=call.params or None, headers=dict(call.headers), json=call.body
    )


def checked_size(length: int) -> None:
    """Raises Unreachable when an answer is larger than any of ours."""
    if length > MAX_ANSWER_BYTES:
        raise Unreachable(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")


def answer_of(response: httpx.Response, body: bytes) -> Answer:
    """The response as the calls read it."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(str(response.url), response.status_code, headers, body)
