"""Events as they go over the wire: encoded once for all who watch, with room for what differs between them."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from flask_sse import Message

from shared.jobs import utc_now
from shared.redis.store import Event
from shared.stages import TERMINAL

TERMINAL_EVENTS = frozenset(status.value for status in TERMINAL)
ENDED = "stream_ended"
NO_EVENT = "0-0"
COMMENT = b": still here\n\n"
_OWN_MEMBERS = '"connection_id": "", "update_count": 0'


@dataclass(frozen=True, slots=True)
class EncodedEvent:
    """One server-sent event without the members that are each client's own.

    at: the id as two numbers, in whose order events are told.  ending: the `stream_ended` that follows a terminal one.
    """

    kind: str
    status: str
    event_id: str
    at: tuple[int, int]
    before: bytes
    after: bytes
    ending: "EncodedEvent | None" = None

    @property
    def may_wait(self) -> bool:
        """Whether a later event of the same status can stand for this one."""
        return self.kind == "progress"

    def text(self, connection_id: bytes, count: int) -> bytes:
        return b'%b"connection_id": "%b", "update_count": %d%b' % (self.before, connection_id, count, self.after)


def order(event_id: str) -> tuple[int, int]:
    """Stream ids are two numbers; as text, 9-0 would come after 10-0."""
    if not re.fullmatch(r"[0-9]{1,20}-[0-9]{1,20}", event_id):
        return (0, 0)
    time_ms, _, number = event_id.partition("-")
    return (int(time_ms), int(number))


def encoded(event: Event) -> EncodedEvent:
    """The event itself; a terminal one brings the stream's end with it."""
    ending = None
    if event.type in TERMINAL_EVENTS:
        ending = _encoded(ENDED, event.id, {**event.data, "event": ENDED, "timestamp": utc_now()})
    return _encoded(event.type, event.id, event.data, ending=ending)


def introduction(kind: str, event: Event, *, retry_ms: int | None = None) -> EncodedEvent:
    """The state that an event tells, as one that comes before it; outcomes are left to the event itself."""
    data = {**event.data, "event": kind, "timestamp": utc_now()}
    data.pop("results", None)
    data.pop("error", None)
    return _encoded(kind, event.id, data, retry_ms=retry_ms)


def _encoded(
    kind: str,
    event_id: str,
    data: Mapping[str, object],
    *,
    retry_ms: int | None = None,
    ending: EncodedEvent | None = None,
) -> EncodedEvent:
    # As ASCII it has no line separators that would cut the event in two. The clients' own members are the last two.
    whole = json.dumps({**data, "connection_id": "", "update_count": 0})
    text = str(Message(whole, type=kind, id=event_id, retry=retry_ms))
    before, _, after = text.rpartition(_OWN_MEMBERS)
    return EncodedEvent(
        kind, str(data.get("status")), event_id, order(event_id), before.encode(), after.encode(), ending
    )
