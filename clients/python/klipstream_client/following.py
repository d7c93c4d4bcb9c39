"""How a job is followed to its end: what to do next, and what to tell. Nothing here does I/O.

The stream comes first. It is resumed where it broke; while it can't be had (a full server, a proxy that holds it back)
the status is polled, and the stream tried again from time to time. What both tell is told once.
"""

import time
from collections.abc import Callable
from typing import NamedTuple, cast

from .answers import TERMINAL, Event, EventKind, Job, JobError, Made, Progress
from .calls import Polled, read_object
from .errors import ApiError, Unreachable
from .inputs import JobStatus

POLL_S = 2.0
RECONNECT_S = 1.0
STREAM_AGAIN_S = 30.0
PATIENCE_S = 120.0  # without any answer: the server is gone
FAILURES_TO_POLL = 2  # connections in a row that told nothing
STREAM_SILENCE_S = 35.0  # two missed comments: the connection is dead
FOR_NOW = frozenset({429, 500, 502, 503, 504})


class Open(NamedTuple):
    """Connect to the stream."""

    last_event_id: str | None


class Poll(NamedTuple):
    """Ask for the status."""

    etag: str | None


class Look(NamedTuple):
    """Ask for the whole job: it has ended, and what came of it was not told."""


class Wait(NamedTuple):
    """Do nothing."""

    seconds: float


class Following:
    """One job's course. Ask for the next `step`, do it, tell what came of it, until `is_over`."""

    def __init__(self, job_id: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.is_over = False
        self._job_id = job_id
        self._clock = clock
        self._answered_at = clock()
        self._stream_at = clock()  # when the stream is to be had again
        self._last_id: str | None = None
        self._shown: tuple[JobStatus, Progress] | None = None
        self._etag: str | None = None
        self._has_heard = False  # anything on the present connection
        self._silences = 0
        self._must_look = False
        self._wait_s = 0.0

    def step(self) -> Open | Poll | Look | Wait:
        """What to do now."""
        if self._wait_s:
            wait_s, self._wait_s = self._wait_s, 0.0
            return Wait(wait_s)
        if self._must_look:
            return Look()
        if self._clock() >= self._stream_at:
            self._has_heard = False
            return Open(self._last_id)
        return Poll(self._etag)

    def heard(self, kind: str, event_id: str, data: str) -> Event | None:
        """An event came over the stream. Raises Unreachable when it can't be read."""
        if kind not in {"connected", "progress", "stream_ended", *TERMINAL}:
            return None
        self._answered_at, self._has_heard, self._silences = self._clock(), True, 0
        if kind == "stream_ended":
            self._must_look = not self.is_over
        if kind in {"connected", "stream_ended"}:
            return None
        event = self._read(cast("EventKind", kind), event_id, data)
        self._last_id = event_id or self._last_id
        return self._told(event)

    def stream_over(self, error: ApiError | Unreachable | None) -> None:
        """The stream was closed, broke or was refused. Raises ApiError when asking again would not help."""
        if self.is_over or self._must_look:
            return
        if isinstance(error, ApiError):
            if error.status not in FOR_NOW:
                raise error
            self._answered_at = self._clock()
            self._stream_at = self._clock() + min(error.retry_after_s or STREAM_AGAIN_S, STREAM_AGAIN_S)
            return
        self._check_patience(error)
        self._wait_s = RECONNECT_S
        if error is not None and not error.was_sent:
            return  # nobody is there, for a poll neither: what is missed meanwhile the stream tells later
        self._silences = 0 if self._has_heard else self._silences + 1
        if self._silences >= FAILURES_TO_POLL:
            self._stream_at = self._clock() + STREAM_AGAIN_S

    def polled(self, answer: Polled) -> Event | None:
        """The status was answered."""
        self._answered_at, self._etag, self._wait_s = self._clock(), answer.etag, POLL_S
        found = answer.status
        if found is None or (found["status"], found["progress"]) == self._shown:
            return None
        # What the stream told before is passed by now: it has to begin with the present state.
        self._last_id = None
        if found["status"] in TERMINAL:
            self._must_look, self._wait_s = True, 0.0
            return None
        return self._told(Event("progress", self._job_id, found["status"], found["progress"]))

    def looked(self, job: Job) -> Event | None:
        """The job was answered."""
        self._answered_at, self._must_look, self._last_id = self._clock(), False, None
        has_ended = job["status"] in TERMINAL
        kind = cast("EventKind", job["status"]) if has_ended else "progress"
        self._wait_s = 0.0 if has_ended else RECONNECT_S  # else it was retried just now
        results = job["results"] if kind == "completed" else None
        return self._told(Event(kind, self._job_id, job["status"], job["progress"], None, results, job["error"]))

    def unanswered(self, error: ApiError | Unreachable) -> None:
        """A poll or a look failed. Raises the error when asking again would not help."""
        self._wait_s = POLL_S
        if isinstance(error, ApiError):
            if error.status not in FOR_NOW:
                raise error
            self._wait_s = max(POLL_S, min(error.retry_after_s or 0.0, STREAM_AGAIN_S))
        else:
            self._stream_at = self._clock()  # it is not the stream's fault
        self._check_patience(error)

    def _told(self, event: Event) -> Event | None:
        # A job that has ended is introduced by a progress of its last status.
        if not event.is_last and (event.status in TERMINAL or (event.status, event.progress) == self._shown):
            return None
        self.is_over = event.is_last
        self._shown = (event.status, event.progress)
        return event

    def _read(self, kind: EventKind, event_id: str, data: str) -> Event:
        try:
            found = read_object(data)
        except ValueError as error:
            raise Unreachable(f"an event can't be read ({error})") from error
        status, progress = found.get("status"), found.get("progress")
        if not isinstance(status, str) or not isinstance(progress, dict):
            raise Unreachable("an event has no status or no progress")
        return Event(
            kind,
            self._job_id,
            cast("JobStatus", status),
            cast("Progress", progress),
            event_id or None,
            cast("Made | None", found.get("results")),
            cast("JobError | None", found.get("error")),
        )

    def _check_patience(self, error: ApiError | Unreachable | None) -> None:
        if self._clock() - self._answered_at > PATIENCE_S:
            raise error or Unreachable("the stream ends before the job does, and nothing else answers")
