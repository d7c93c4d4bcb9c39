"""All the streams of this process on one Redis connection, which listens to the jobs that somebody watches.

A client joins first and reads the job's history afterwards, so nothing falls between the two; what arrives twice is
told by its id. When the connection to Redis was lost, what was missed is read from the history, once for each job.
"""

import json
import socket
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypedDict

import redis
from redis.client import PubSub

from shared.errors import DatabaseError, ServiceUnavailable
from shared.log import logger
from shared.redis.keys import CHANNEL
from shared.redis.store import Event, JobStore
from web.access_log import log_request
from web.alarms import Alarms
from web.event_history import to_catch_up
from web.event_text import EncodedEvent, encoded
from web.process_metrics import STREAMS
from web.watcher import COMMENT_EVERY_S, Caller, Watcher

READERS = 8  # jobs whose history is read at once after an outage
AT_ONCE = 200  # clients that are told before others get a turn; jobs that one command subscribes to
SUBSCRIBED_WITHIN_S = 3.0
PING_EVERY_S = 10.0
SILENT_FOR_S = 25.0  # no answer to two pings: the connection is dead, whatever TCP thinks
BACKOFF_S = (0.1, 5.0)  # first and longest pause between two attempts to connect
FULL_FOR_S = 30.0
# No job has this channel. It keeps the connection in the state in which subscriptions come and go.
ALWAYS = CHANNEL
log = logger("klipstream.hub")


class _Message(TypedDict):
    """What redis-py gives of a subscription."""

    type: str
    channel: str
    data: str


class _Channel:
    """One job that somebody watches.  generation: how often listening to it began."""

    __slots__ = ("generation", "is_heard", "job_id", "watchers")

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        self.watchers: set[Watcher] = set()
        self.is_heard = False
        self.generation = 0


class Hub:
    """Starts with its first client and then runs as long as the process."""

    def __init__(self, client: redis.Redis, store: JobStore, *, max_streams: int) -> None:
        self._redis, self._store, self._max_streams = client, store, max_streams
        self._lock = threading.RLock()
        self._heard = threading.Condition(self._lock)
        self._channels: dict[str, _Channel] = {}
        self._count = 0
        self._pubsub: PubSub | None = None
        # Answers to SUBSCRIBE that are still to come. A job that was left and joined again waits for the second one.
        self._unconfirmed: Counter[str] = Counter()
        self._alarms: Alarms[Watcher] = Alarms(self._lock)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="hub-reader")
        self._is_running = False

    @property
    def clients(self) -> int:
        return self._count

    @property
    def channels(self) -> int:
        return len(self._channels)

    def join(self, job_id: str, caller: Caller) -> Watcher:
        """A place for one client, who is told nothing before `start`; `leave` gives it up.

        Raises ServiceUnavailable when there is no place, DatabaseError when Redis can't be listened to now.
        """
        with self._lock:
            if self._count >= self._max_streams:
                raise ServiceUnavailable("As many streams are open as this server takes.", retry_after_s=FULL_FOR_S)
            self._run()
            watcher = Watcher(job_id, caller)
            channel = self._channel(job_id)
            channel.watchers.add(watcher)
            self._count += 1
            STREAMS.inc()
            if not self._heard.wait_for(lambda: channel.is_heard, SUBSCRIBED_WITHIN_S):
                self.leave(watcher)
                raise DatabaseError("The job database can't be listened to.")
            watcher.generation = channel.generation
        return watcher

    def start(
        self, watcher: Watcher, connection: socket.socket, head: bytes, events: Sequence[EncodedEvent], *, framed: bool
    ) -> None:
        """Send the beginning, and from now on what happens."""
        with self._lock:
            now = time.monotonic()
            if watcher.is_closed:
                connection.close()
                return
            channel = self._channels[watcher.job_id]
            watcher.start(connection, head, events, is_framed=framed, now=now)
            if watcher.generation == channel.generation:
                watcher.resume((), now)
            else:
                self._read_what_was_missed(channel)
            self._alarms.at(now + COMMENT_EVERY_S, self._comment, watcher)
            self._look_after(watcher, now)

    def leave(self, watcher: Watcher) -> None:
        with self._lock:
            watcher.close()
            channel = self._channels.get(watcher.job_id)
            if channel is None or watcher not in channel.watchers:
                return
            channel.watchers.discard(watcher)
            self._count -= 1
            STREAMS.dec()
            if not channel.watchers:
                del self._channels[watcher.job_id]
                self._say("unsubscribe", watcher.job_id)
        if watcher.is_started:
            _log_end(watcher)

    # --- one client -----------------------------------------------------------------------------------------------

    def _look_after(self, watcher: Watcher, now: float) -> None:
        """After everything that was done to a client."""
        if watcher.is_closed:
            self.leave(watcher)
            return
        when = watcher.next_try(now)
        if when is not None and not watcher.has_alarm:
            watcher.has_alarm = True
            self._alarms.at(when, self._try_again, watcher)

    def _try_again(self, watcher: Watcher, now: float) -> None:
        watcher.has_alarm = False
        if not watcher.is_closed:
            watcher.flush(now)
            self._look_after(watcher, now)

    def _comment(self, watcher: Watcher, now: float) -> None:
        if not watcher.is_closed:
            watcher.comment(now)
            self._alarms.at(now + COMMENT_EVERY_S, self._comment, watcher)
            self._look_after(watcher, now)

    # --- subscriptions --------------------------------------------------------------------------------------------

    def _channel(self, job_id: str) -> _Channel:
        channel = self._channels.get(job_id)
        if channel is None:
            channel = self._channels[job_id] = _Channel(job_id)
            if self._pubsub is not None:
                self._unconfirmed[job_id] += 1
                self._say("subscribe", job_id)
        return channel

    def _say(self, command: str, job_id: str) -> None:
        """Tell Redis what to send. While it can't be told there is nothing to do: the next connection begins anew."""
        if self._pubsub is None:
            return
        try:
            getattr(self._pubsub, command)(CHANNEL + job_id)
        except (redis.RedisError, OSError) as error:
            log.warning("hub_not_heard_by_redis", command=command, reason=str(error))

    def _confirm(self, job_id: str) -> None:
        """Redis sends the job's events from here on: what came before is in the history."""
        with self._lock:
            self._unconfirmed[job_id] -= 1
            if self._unconfirmed[job_id] > 0:
                return
            del self._unconfirmed[job_id]
            channel = self._channels.get(job_id)
            if channel is None:
                return
            channel.is_heard = True
            channel.generation += 1
            self._heard.notify_all()
            started = [watcher for watcher in channel.watchers if watcher.is_started]
            for watcher in started:
                watcher.pause()
            if started:
                self._read_what_was_missed(channel)

    # --- the thread that listens ----------------------------------------------------------------------------------

    def _run(self) -> None:
        if not self._is_running:
            self._is_running = True
            self._alarms.start()
            threading.Thread(target=self._listen_for_ever, name="hub", daemon=True).start()

    def _listen_for_ever(self) -> None:
        pause_s = BACKOFF_S[0]
        while True:
            began = time.monotonic()
            try:
                with self._redis.pubsub() as pubsub:
                    self._begin(pubsub)
                    self._listen(pubsub)
            except (redis.RedisError, OSError) as error:
                log.warning("hub_lost_redis", reason=str(error))
            finally:
                self._end()
            pause_s = BACKOFF_S[0] if time.monotonic() - began > BACKOFF_S[1] else min(2 * pause_s, BACKOFF_S[1])
            time.sleep(pause_s)

    def _begin(self, pubsub: PubSub) -> None:
        """Subscribe to everything that is watched; from here on each job does so for itself."""
        pubsub.subscribe(ALWAYS)
        with self._lock:
            wanted = list(self._channels)
            self._unconfirmed = Counter(wanted)
            for first in range(0, len(wanted), AT_ONCE):
                pubsub.subscribe(*(CHANNEL + job_id for job_id in wanted[first : first + AT_ONCE]))
            self._pubsub = pubsub

    def _end(self) -> None:
        with self._lock:
            self._pubsub = None
            for channel in self._channels.values():
                channel.is_heard = False

    def _listen(self, pubsub: PubSub) -> None:
        """Hand out what is published until the connection fails."""
        heard_at = pinged_at = time.monotonic()
        while True:
            message = pubsub.get_message(timeout=1.0)
            now = time.monotonic()
            if message is not None:
                heard_at = now
                self._handle(message)
            elif now - heard_at > SILENT_FOR_S:
                raise redis.ConnectionError("silent")
            elif now - max(heard_at, pinged_at) > PING_EVERY_S:
                pubsub.ping()
                pinged_at = now

    def _handle(self, message: _Message) -> None:
        if message["type"] == "subscribe" and message["channel"] != ALWAYS:
            self._confirm(message["channel"].removeprefix(CHANNEL))
        elif message["type"] == "message":
            self._hand_out(message["channel"].removeprefix(CHANNEL), message["data"])

    def _hand_out(self, job_id: str, text: str) -> None:
        channel = self._channels.get(job_id)
        if channel is None:
            return
        try:
            record = json.loads(text)
            event = encoded(Event(record["id"], record["type"], record["data"]))
        except (ValueError, KeyError, TypeError):
            log.warning("hub_unreadable_message", job_id=job_id)
            return
        with self._lock:
            watchers = list(channel.watchers)
        for first in range(0, len(watchers), AT_ONCE):
            if first:
                time.sleep(0)
            self._deliver(watchers[first : first + AT_ONCE], event)

    def _deliver(self, watchers: Iterable[Watcher], event: EncodedEvent) -> None:
        with self._lock:
            now = time.monotonic()
            for watcher in watchers:
                watcher.deliver(event, now)
                self._look_after(watcher, now)

    # --- after an outage ------------------------------------------------------------------------------------------

    def _read_what_was_missed(self, channel: _Channel) -> None:
        self._readers.submit(self._catch_up, channel).add_done_callback(_raise_what_it_raised)

    def _catch_up(self, channel: _Channel) -> None:
        with self._lock:
            generation = channel.generation
            behind: defaultdict[str, list[Watcher]] = defaultdict(list)
            for watcher in channel.watchers:
                if watcher.is_started and watcher.is_paused:
                    behind[watcher.seen].append(watcher)
        for seen, watchers in behind.items():
            try:
                missed = to_catch_up(self._store, channel.job_id, seen)
            except DatabaseError as error:
                # Too late for another status: the clients come back by themselves and find one.
                log.warning("stream_cut", job_id=channel.job_id, reason=str(error.__cause__))
                self._cut(watchers)
                continue
            with self._lock:
                if channel.generation != generation:
                    return  # the connection was lost again: what was missed is being read anew
                self._resume(watchers, missed)

    def _resume(self, watchers: Iterable[Watcher], missed: Sequence[EncodedEvent]) -> None:
        now = time.monotonic()
        for watcher in watchers:
            if watcher.is_paused and not watcher.is_closed:
                watcher.resume(missed, now)
                self._look_after(watcher, now)

    def _cut(self, watchers: Iterable[Watcher]) -> None:
        for watcher in watchers:
            self.leave(watcher)


def _log_end(watcher: Watcher) -> None:
    """The line of the access log: gunicorn gave the connection away when the stream began."""
    log_request(
        method="GET",
        path=watcher.caller.path,
        status=200,
        seconds=time.monotonic() - watcher.began,
        sent_bytes=watcher.sent_bytes,
        address=watcher.caller.address,
        request_id=watcher.caller.request_id,
    )


def _raise_what_it_raised(reading: "Future[None]") -> None:
    """A future keeps its exception to itself; one that nobody expected belongs into the log."""
    reading.result()
