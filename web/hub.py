"""One Redis subscription for all the streams of this process.

A client subscribes first and reads the job's history afterwards, so nothing falls between the two; what arrives twice
is told by its id. When the connection to Redis was lost, every client is told to read the history again.
"""

import contextlib
import json
import queue
import threading
import time
from collections import defaultdict
from typing import Any, Literal

import redis
from redis.client import PubSub

from shared.errors import DatabaseError
from shared.log import logger
from shared.redis.keys import CHANNEL
from shared.redis.store import Event

READERS = 8  # clients of one process that read from Redis at once
QUEUE_SIZE = 256  # events a client may be behind before it is dropped: about a minute of a busy job
SUBSCRIBED_WITHIN_S = 3.0
PING_EVERY_S = 10.0
SILENT_FOR_S = 25.0  # no answer to two pings: the connection is dead, whatever TCP thinks
BACKOFF_S = (0.1, 5.0)  # first and longest pause between two attempts to connect
log = logger("klipstream.hub")


class Overflow(Exception):
    """The client reads too slowly and is dropped."""


class Subscription:
    """One client's place in the hub."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        self._queue: queue.Queue[Event | Literal["missed"]] = queue.Queue(QUEUE_SIZE)
        self._overflown = threading.Event()

    def put(self, item: Event | Literal["missed"]) -> None:
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            self._overflown.set()

    def get(self, timeout_s: float) -> Event | Literal["missed"] | None:
        """The next event, "missed" when there may be more in the history, None after `timeout_s`. Raises Overflow."""
        if self._overflown.is_set():
            raise Overflow
        with contextlib.suppress(queue.Empty):
            return self._queue.get(timeout=max(timeout_s, 0.001))
        return None


class Hub:
    """Starts with its first client and then runs as long as the process."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._clients: defaultdict[str, set[Subscription]] = defaultdict(set)
        self._lock = threading.Lock()
        # After an outage of Redis all clients read the history at once: they take turns.
        self.readers = threading.BoundedSemaphore(READERS)
        self._listening = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def clients(self) -> int:
        with self._lock:
            return sum(len(group) for group in self._clients.values())

    def subscribe(self, job_id: str) -> Subscription:
        """A place for one client; `leave` gives it up. Raises DatabaseError when Redis can't be listened to now."""
        subscription = Subscription(job_id)
        with self._lock:
            self._clients[job_id].add(subscription)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="hub", daemon=True)
                self._thread.start()
        if not self._listening.wait(SUBSCRIBED_WITHIN_S):
            self.leave(subscription)
            raise DatabaseError("The job database can't be listened to.")
        return subscription

    def leave(self, subscription: Subscription) -> None:
        with self._lock:
            group = self._clients.get(subscription.job_id, set())
            group.discard(subscription)
            if not group:
                self._clients.pop(subscription.job_id, None)

    # --- the thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        pause_s = BACKOFF_S[0]
        while True:
            try:
                with self._redis.pubsub() as pubsub:
                    self._listen(pubsub)
            except (redis.RedisError, OSError) as error:
                log.warning("hub_lost_redis", reason=str(error))
            pause_s = BACKOFF_S[0] if self._listening.is_set() else min(2 * pause_s, BACKOFF_S[1])
            self._listening.clear()
            time.sleep(pause_s)

    def _listen(self, pubsub: PubSub) -> None:
        """Hand out what is published until the connection fails."""
        pubsub.psubscribe(f"{CHANNEL}*")
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

    def _handle(self, message: dict[str, Any]) -> None:
        if message["type"] == "psubscribe":
            self._listening.set()
            self._tell_all()
        elif message["type"] == "pmessage":
            self._hand_out(message["channel"].removeprefix(CHANNEL), message["data"])

    def _tell_all(self) -> None:
        with self._lock:
            everybody = [client for group in self._clients.values() for client in group]
        for client in everybody:
            client.put("missed")

    def _hand_out(self, job_id: str, text: str) -> None:
        with self._lock:
            group = list(self._clients.get(job_id, ()))
        if not group:
            return
        try:
            record = json.loads(text)
            event = Event(record["id"], record["type"], record["data"])
        except (ValueError, KeyError, TypeError):
            log.warning("hub_unreadable_message", job_id=job_id)
            return
        for client in group:
            client.put(event)
