"""Retry policies: how often to try again and how long to wait before each try."""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal, TypeVar

from shared.errors import KlipError

Kind = Literal["exponential", "linear", "fixed", "immediate"]
Sleep = Callable[[float], None]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How one kind of failure is tried again.

    attempts: tries after the first.  base_s, cap_s: seconds of the first and of the longest wait.  within_s: no try
    begins later than this after the first began, None sets no such end.
    exponential: a random share of base * 2^n ("full jitter", so that many clients don't come back at once);
    linear: base * n;  fixed: base;  immediate: no wait.
    Source: Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    attempts: int
    base_s: float = 0.0
    cap_s: float = 0.0
    kind: Kind = "exponential"
    within_s: float | None = None

    def __post_init__(self) -> None:
        if self.attempts < 0 or self.base_s < 0 or self.cap_s < self.base_s:
            raise ValueError("attempts and waits can't be negative, and cap_s can't be below base_s")

    def ceiling_s(self, attempt: int) -> float:
        """The longest wait before retry `attempt` (1 is the first), without any Retry-After."""
        if self.kind == "immediate":
            return 0.0
        factor = {"exponential": 2.0 ** min(attempt - 1, 62), "linear": float(attempt), "fixed": 1.0}[self.kind]
        return min(self.base_s * factor, self.cap_s)

    def delay_s(self, attempt: int, retry_after_s: float | None = None) -> float:
        """Seconds to wait before retry `attempt` (1 is the first); what the server asked for is never cut short."""
        wait = self.ceiling_s(attempt)
        if self.kind == "exponential":
            wait = random.uniform(0, wait)
        return max(wait, retry_after_s or 0.0)

    def delays(self) -> Iterator[float]:
        """One wait per retry."""
        return (self.delay_s(attempt) for attempt in range(1, self.attempts + 1))


LONGEST_WAIT_S = 3600  # what asks for a longer wait fails instead, and its error says when to try again

NETWORK = RetryPolicy(attempts=3, base_s=2, cap_s=30)
PROCESSING = RetryPolicy(attempts=2, base_s=5, cap_s=120)
EXTERNAL = RetryPolicy(attempts=4, base_s=1, cap_s=60)
ROOM = RetryPolicy(attempts=12, base_s=10, cap_s=60, kind="linear")  # about ten minutes for somebody to free the disk
UNTIL_BACK = RetryPolicy(attempts=1800, base_s=2, cap_s=2, kind="fixed")  # an hour of Redis being away or full


def call_with_retry(
    work: Callable[[], T], *, policy: RetryPolicy, retry_on: tuple[type[KlipError], ...], sleep: Sleep = time.sleep
) -> T:
    """`work()`, tried again by `policy` on the errors of `retry_on`.

    A wait that the service asks for is kept when it is within the policy's cap; a longer one is left to the caller.
    """
    attempt, began = 0, time.monotonic()
    while True:
        try:
            return work()
        except retry_on as error:
            attempt += 1
            asked_s = error.asked_s
            if not error.retryable or attempt > policy.attempts or (asked_s or 0) > policy.cap_s:
                raise
            wait_s = policy.delay_s(attempt, asked_s)
            if policy.within_s is not None and time.monotonic() - began + wait_s > policy.within_s:
                raise
            sleep(wait_s)


def parse_retry_after(value: str | None, *, now: datetime | None = None) -> float | None:
    """Seconds that a Retry-After header (seconds or an HTTP date) asks for; None when it says nothing usable."""
    if not value:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text) if len(text) < 10 else None
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - (now or datetime.now(UTC))).total_seconds())
