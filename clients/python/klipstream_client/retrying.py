"""What is asked again, how often and when: one policy for both clients, carried out by tenacity."""

from collections.abc import Callable

from tenacity import RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

from .errors import ApiError, Unreachable

ATTEMPTS = 4
LONGEST_WAIT_S = 10.0  # whoever is to wait longer is told so instead
TOO_MANY, AGAIN = 429, frozenset({429, 502, 503, 504})
IN_PROGRESS = "IDEMPOTENT_IN_PROGRESS"  # the first of two, whose answer was lost, is at work still

STOP = stop_after_attempt(ATTEMPTS)
_backoff = wait_random_exponential(multiplier=0.5, max=8)


def may_ask_again(is_repeatable: bool) -> Callable[[BaseException], bool]:
    """Which failures of a call are worth another attempt: those that did nothing, or a call that may be done twice."""

    def decide(error: BaseException) -> bool:
        if isinstance(error, Unreachable):
            return is_repeatable or not error.was_sent
        if not isinstance(error, ApiError) or not error.retryable or (error.retry_after_s or 0) > LONGEST_WAIT_S:
            return False
        return (error.status in AGAIN or error.code == IN_PROGRESS) if is_repeatable else error.status == TOO_MANY

    return decide


def retry_for(is_repeatable: bool) -> retry_if_exception:
    """`may_ask_again` as tenacity takes it."""
    return retry_if_exception(may_ask_again(is_repeatable))


def wait_s(state: RetryCallState) -> float:
    """Full jitter, after what the server asked for."""
    error = state.outcome.exception() if state.outcome else None
    asked_s = error.retry_after_s or 0.0 if isinstance(error, ApiError) else 0.0
    return asked_s + _backoff(state)
