"""What a client that comes, or comes back, has to be told of a job's past."""

from collections.abc import Sequence

from shared.jobs import Job
from shared.redis.store import Event, JobStore
from shared.representations import event_of
from web.event_text import NO_EVENT, TERMINAL_EVENTS, EncodedEvent, encoded, introduction, order
from web.job_views import waits_now

RETRY_MS = 3000


def opening(store: JobStore, job: Job, last_seen: str | None) -> Sequence[EncodedEvent]:
    """`connected`, then the present state or what was missed since `last_seen`. Raises DatabaseError."""
    present = _present(store, job)
    missed = missed_since(store, job.job_id, last_seen)
    if missed is None:
        return [introduction("connected", present, retry_ms=RETRY_MS), *_state(present, is_known=False)]
    seen = Event(last_seen or NO_EVENT, "connected", present.data)
    following = [encoded(event) for event in missed] or _state(present, is_known=True)
    return [introduction("connected", seen, retry_ms=RETRY_MS), *following]


def missed_since(store: JobStore, job_id: str, last_seen: str | None) -> list[Event] | None:
    """What happened after an event; None when that event is unknown.

    A failure that a retry made void is left out.
    """
    if not last_seen or order(last_seen) == (0, 0):
        return None
    events = store.events_after(job_id, last_seen)
    if events is None:
        return None
    return [event for event in events[:-1] if event.type not in TERMINAL_EVENTS] + events[-1:]


def to_catch_up(store: JobStore, job_id: str, last_seen: str) -> list[EncodedEvent]:
    """What a client that saw `last_seen` lacks: all that came after it, or the latest event. Raises DatabaseError."""
    missed = missed_since(store, job_id, last_seen)
    if missed is None:
        latest = store.last_event(job_id)
        missed = [latest] if latest else []
    return [encoded(event) for event in missed]


def _state(present: Event, *, is_known: bool) -> list[EncodedEvent]:
    """The present state; whoever knows how the job ended is told only that there is nothing more."""
    event = encoded(present)
    if event.ending is None:
        return [event]
    return [introduction("progress", present), event.ending if is_known else event]


def _present(store: JobStore, job: Job) -> Event:
    """The job's state now, under the id of its latest event."""
    event = store.last_event(job.job_id)
    if event is None:
        data = event_of(job)
        event = Event(NO_EVENT, data["event"], data)
    (waiting,) = waits_now(store, [job])
    progress = event.data["progress"]
    if waiting is None or not isinstance(progress, dict) or progress.get("waiting") is None:
        return event
    return event._replace(data={**event.data, "progress": {**progress, "waiting": waiting.as_dict()}})
