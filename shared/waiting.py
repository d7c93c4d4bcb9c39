"""What a job that nobody works on waits for."""

from typing import NamedTuple, TypedDict

from shared.errors import CircuitOpen
from shared.jobs import Job
from shared.stages import JobStatus

TURN, WORKER, RETRY, BREAKER = "turn", "worker", "retry", "breaker"
REASONS = (TURN, WORKER, RETRY, BREAKER)
_TEXTS = {
    WORKER: "Waiting for a worker",
    RETRY: "Waiting to try again",
    BREAKER: "Waiting until a service answers again",
}


class WaitingAnswer(TypedDict):
    """The member `waiting` of a job's progress; see Waiting."""

    reason: str
    position: int | None
    since: str
    until: str | None
    text: str


class Waiting(NamedTuple):
    """position: from 1, of a job that waits for its turn, as far as known.  since, until: UTC ISO 8601."""

    reason: str
    since: str
    until: str | None = None  # when it is tried again
    position: int | None = None

    @property
    def text(self) -> str:
        """As people read it."""
        if self.reason != TURN:
            return _TEXTS[self.reason]
        if self.position is None:
            return "Waiting for its turn"
        ahead = self.position - 1
        return "Waiting, next in turn" if not ahead else f"Waiting behind {ahead} other job{'s' if ahead > 1 else ''}"

    def as_dict(self) -> WaitingAnswer:
        """As it is answered."""
        return {
            "reason": self.reason,
            "position": self.position,
            "since": self.since,
            "until": self.until,
            "text": self.text,
        }


def waiting_of(job: Job, now: str) -> Waiting | None:
    """What the job waits for, as far as its state tells: one that is queued may have been admitted. None: nothing."""
    if job.is_terminal or job.holder is not None:
        return None
    last = job.retries[-1] if job.retries else None
    if last is not None and (last.attempt, last.until) == (job.attempt, job.waiting_since) and last.until > now:
        return Waiting(BREAKER if last.code == CircuitOpen.code else RETRY, last.at, last.until)
    return Waiting(TURN if job.status is JobStatus.QUEUED else WORKER, job.waiting_since or job.created_at)
