"""What the server says beside its answers: how many more requests it takes, and under which tag an answer is known."""

import re
import threading
from typing import NamedTuple

import httpx

from .calls import Answer, Call, T

KEPT_AT_MOST, KEPT_BYTES = 16, 1 << 20
NOT_CHANGED = 304


class RateLimit(NamedTuple):
    """Of the limit that counted the last request ("submit" or "read"): requests left, and until all are there again."""

    name: str
    remaining: int
    resets_in_s: int


def rate_limit_of(response: httpx.Response) -> RateLimit | None:
    """None where the server does not say."""
    found = re.fullmatch(r'"(\w+)";r=(\d{1,9});t=(\d{1,9})', response.headers.get("RateLimit", ""), re.ASCII)
    return RateLimit(found[1], int(found[2]), int(found[3])) if found else None


class KeptAnswers:
    """The last answers with an ETag, the longest unused goes first: what has not changed is not sent again."""

    def __init__(self) -> None:
        self._by_url: dict[str, Answer] = {}
        self._lock = threading.Lock()

    def offer(self, call: Call[T], request: httpx.Request) -> Answer | None:
        """The answer that is kept for this request, which asks for another one only."""
        with self._lock:
            kept = self._by_url.get(str(request.url)) if call.is_kept else None
        if kept is not None:
            request.headers["If-None-Match"] = kept.headers["etag"]
        return kept

    def settle(self, call: Call[T], answer: Answer, kept: Answer | None) -> Answer:
        """What the call's answer is in the end."""
        if answer.status == NOT_CHANGED and kept is not None:
            answer = kept
        if call.is_kept and "etag" in answer.headers and len(answer.body) <= KEPT_BYTES:
            with self._lock:
                self._by_url.pop(answer.url, None)
                self._by_url[answer.url] = answer
                if len(self._by_url) > KEPT_AT_MOST:
                    del self._by_url[next(iter(self._by_url))]
        return answer
