"""Whether a stage that met an error is tried again, and when."""

from shared import jobs
from shared.errors import (
    CircuitOpen,
    ErrorType,
    ExternalServiceError,
    InsufficientStorage,
    KlipError,
    UnclassifiedError,
    catalogue,
)
from shared.jobs import SAME_WAIT_S, Job, seconds_since, utc_now
from shared.net.retry import EXTERNAL, LONGEST_WAIT_S, NETWORK, PROCESSING, ROOM, RetryPolicy
from shared.records import RetryRecord

POLICY_OF = {
    ErrorType.NETWORK_ERROR: NETWORK,
    ErrorType.EXTERNAL_SERVICE_ERROR: EXTERNAL,
    ErrorType.RATE_LIMITED: EXTERNAL,
    ErrorType.INSUFFICIENT_RESOURCES: PROCESSING,
    ErrorType.PROCESSING_TIMEOUT: PROCESSING,
}
ONCE_MORE = RetryPolicy(attempts=1, base_s=5, cap_s=5, kind="fixed")  # what nobody foresaw may have been chance
# Between the second try and later ones, at least: a bad minute of a service is outlasted so, and the worker is free.
OUTLAST_S = 10.0
MAX_CIRCUIT_WAIT_S = 1800  # for a service that is down
MAX_OWN_TROUBLE_S = 150.0  # for one that serves others, or that nobody else asks


def wait_s(job: Job, error: KlipError) -> float | None:
    """How long to wait before the stage is tried again; None when it fails for good."""
    policy = _policy_of(error)
    if policy is None or (error.asked_s or 0) > LONGEST_WAIT_S:
        return None
    if isinstance(error, CircuitOpen):
        return _circuit_wait_s(job, error, policy)
    tries = _times(job, error) if policy is ONCE_MORE else job.tries
    if tries >= policy.attempts:
        return None
    shortest_s = OUTLAST_S if job.tries and policy in (NETWORK, EXTERNAL) else 0.0
    return max(policy.delay_s(tries + 1, error.asked_s), shortest_s)


def is_final(job: Job, error: KlipError) -> bool:
    """Whether the stage is not tried again after this error."""
    return wait_s(job, error) is None


def failure_of(job: Job, error: KlipError) -> KlipError:
    """What a job that is not tried again fails with: where only it met the trouble, not that its service was left alone
    for a while, but why."""
    if not (isinstance(error, CircuitOpen) and error.alone):
        return error
    met = next((kept for kept in reversed(_of_stage(job)) if kept.code != CircuitOpen.code), None)
    kind = catalogue().get(met.code, ExternalServiceError) if met else None
    return kind(met.detail) if kind and met else error


def _policy_of(error: KlipError) -> RetryPolicy | None:
    if not error.retryable:
        return None
    if isinstance(error, UnclassifiedError):
        return ONCE_MORE
    return ROOM if isinstance(error, InsufficientStorage) else POLICY_OF.get(error.error_type)


def _circuit_wait_s(job: Job, error: CircuitOpen, policy: RetryPolicy) -> float | None:
    now = utc_now()
    wait = (error.retry_after_s or 0) + policy.delay_s(1)
    if error.alone:
        return wait if seconds_since(_trouble_began(job, now), now) + wait <= MAX_OWN_TROUBLE_S else None
    return wait if seconds_since(jobs.waiting_for(job, error, now), now) < MAX_CIRCUIT_WAIT_S else None


def _of_stage(job: Job) -> list[RetryRecord]:
    return [kept for kept in job.retries if (kept.stage, kept.attempt) == (job.stage, job.attempt)]


def _times(job: Job, error: KlipError) -> int:
    """How often the stage has been tried again over such an error."""
    return sum(kept.code == error.code for kept in _of_stage(job))


def _trouble_began(job: Job, now: str) -> str:
    """When the row of retries began that reaches up to now."""
    began = now
    for kept in reversed(_of_stage(job)):
        if seconds_since(kept.until, began) >= SAME_WAIT_S:
            break
        began = kept.at
    return began
