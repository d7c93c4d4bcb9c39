"""Requests of a library's own session, each through a circuit breaker: inside its retries, not around them.

Around them a service that is down would be asked for a minute and a half by everybody before the breaker hears of it.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from shared.errors import ExternalServiceError
from shared.redis.breaker import CallFor


class _Unwell(ExternalServiceError):
    """What the breaker counts: an answer that tells of trouble, or (as its cause) a request that came to nothing."""

    def __init__(self, answer: requests.Response | None = None) -> None:
        self.answer = answer
        super().__init__()


class BreakerAdapter(HTTPAdapter):
    """Sends each request through the `Call` for its address; to be mixed into other adapters, too.

    Raises CircuitOpen, which no library tries again; else as ever.
    """

    def __init__(self, call_for: CallFor, **options: Any) -> None:  # noqa: ANN401 -- those of the adapter it is mixed into
        self._call_for = call_for
        super().__init__(**options)

    def send(
        self,
        request: requests.PreparedRequest,
        *args: Any,  # noqa: ANN401 -- handed on to the adapter it is mixed into
        **kwargs: Any,  # noqa: ANN401 -- handed on, too, whatever they are
    ) -> requests.Response:
        """The answer, whatever its status."""
        once = partial(super().send, request, *args, **kwargs)
        try:
            return self._call_for(request.url or "")(lambda: _answered(once, whole=not kwargs.get("stream")))
        except _Unwell as unwell:
            if unwell.answer is not None:
                return unwell.answer
            raise unwell.__cause__ or unwell from None


def _answered(send: Callable[[], requests.Response], *, whole: bool) -> requests.Response:
    """whole: an answer that breaks off is none."""
    try:
        answer = send()
        if whole:
            len(answer.content)
    except requests.RequestException as error:
        raise _Unwell from error
    if answer.status_code >= 500:
        raise _Unwell(answer)
    return answer
