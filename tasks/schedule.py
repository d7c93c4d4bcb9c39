"""Beat's scheduler: a sweep is sent only when something is due, so that an idle stack sends and logs nothing."""

from celery import Celery
from celery.beat import PersistentScheduler, ScheduleEntry
from celery.signals import beat_init
from kombu import Producer
from redis import Redis, RedisError

from shared.errors import DatabaseError
from shared.log import logger
from shared.redis import keys
from shared.redis.connection import WEB_RETRIES, connect
from shared.redis.store import LEASE_MS, JobStore
from shared.settings import Settings, settings
from tasks.reaper_clock import grace_left, knows_every_job, needs_patrol
from workers.delivery.sweep import now_ms

log = logger("klipstream.schedule")


class WhatIsDue:
    """Whether a sweep of the schedule would find something to do. Raises RedisError or DatabaseError."""

    def __init__(self, config: Settings, client: Redis) -> None:
        self._redis = client
        self._admission = JobStore(client).admission
        self._kept_ms = config.cancelled_keep_minutes * 60_000

    def has_work(self, sweep: str) -> bool:
        """sweep: its task's name. One that is not known here always has."""
        now = now_ms(self._redis)
        if sweep == "tasks.reap":
            grace_left(self._redis)  # the clock goes on while nothing is due
            if needs_patrol(self._redis) or not knows_every_job(self._redis):
                return True
            return self._admission.has_due(now, lease_ms=LEASE_MS)
        since = {
            "tasks.mirror": (keys.MIRROR_DUE, now),
            "tasks.webhooks": (keys.WEBHOOKS_DUE, now),
            "tasks.forget_cancelled": (keys.CANCELLED, now - self._kept_ms),
        }
        if sweep not in since:
            return True
        name, until = since[sweep]
        return bool(self._redis.zcount(name, "-inf", until))


class DueScheduler(PersistentScheduler):  # type: ignore[misc]  # Celery has no types
    """Celery's own, but for what it does when an entry's time has come."""

    _due: WhatIsDue | None = None

    def apply_entry(self, entry: ScheduleEntry, producer: Producer | None = None) -> None:
        """Send the entry's task unless it would find nothing to do."""
        if self._has_work(str(entry.task)):
            super().apply_entry(entry, producer=producer)

    def _has_work(self, sweep: str) -> bool:
        try:
            if self._due is None:
                self._due = WhatIsDue(settings(), connect(settings(), retries=WEB_RETRIES))
            return self._due.has_work(sweep)
        except (RedisError, DatabaseError) as error:
            # Nor could its task be sent.
            log.debug("sweep_not_sent", sweep=sweep, reason=str(error))
            return False


@beat_init.connect
def _send_no_events(sender: object = None, **_: object) -> None:
    app: Celery | None = getattr(sender, "app", None)
    if app is not None:
        app.conf.task_send_sent_event = False  # Flower would list nothing but sweeps
