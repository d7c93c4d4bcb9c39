"""The storage client's requests, each through a circuit breaker: inside the client's own retries, not around them.

Around them a service that is down would be asked for a minute and a half by everybody before the breaker hears of it.
"""

from typing import Any

import requests
from requests.adapters import HTTPAdapter

from shared.errors import StorageServiceError
from shared.redis.breaker import Call


class _Unwell(StorageServiceError):
    """What the breaker counts: an answer that tells of trouble, or (as its cause) a request that came to nothing."""

    def __init__(self, answer: requests.Response | None = None) -> None:
        self.answer = answer
        super().__init__()


class BreakerAdapter(HTTPAdapter):
    """Sends each request through `call`. Raises CircuitOpen, which the client does not try again; else as ever."""

    def __init__(self, call: Call) -> None:
        self._call = call
        super().__init__()

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:  # noqa: ANN401
        """The answer, whatever its status."""
        try:
            return self._call(lambda: self._send_once(request, *args, **kwargs))
        except _Unwell as unwell:
            if unwell.answer is not None:
                return unwell.answer
            raise unwell.__cause__ or unwell from None

    def _send_once(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:  # noqa: ANN401
        try:
            answer = super().send(request, *args, **kwargs)
            if not kwargs.get("stream"):
                len(answer.content)  # an answer that breaks off is none
        except requests.RequestException as error:
            raise _Unwell from error
        if answer.status_code >= 500:
            raise _Unwell(answer)
        return answer
