"""Figures about the pools, read from Redis when somebody asks."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, cast

import redis

from shared.jobs import iso
from shared.records import Record
from shared.redis import keys, pools
from shared.redis.admission import QueueCounts
from shared.redis.connection import redis_errors
from shared.redis.store import JobStore
from shared.stages import DELIVERY_QUEUE, QUEUES, STAGES


@dataclass(frozen=True, kw_only=True)
class QueueFigures(Record):
    """How busy a queue is.

    waiting, running: jobs.  oldest_wait_seconds: None when none waits.  workers: processes that live.  mean_seconds: of
    work that a job means for the queue, None until that has been measured.
    """

    waiting: int
    running: int
    oldest_wait_seconds: float | None
    workers: int
    mean_seconds: float | None


@dataclass(frozen=True, kw_only=True)
class BreakerFigures(Record):
    """A circuit breaker.

    failures: in a row.  failing: about how many different things.  openings, probes, refusals: since it first counted.
    opened_at: UTC ISO 8601.
    """

    state: str
    failures: int
    failing: int
    openings: int
    probes: int
    refusals: int
    opened_at: str | None


class ReliabilityFigures(NamedTuple):
    """breakers: by service, those that have ever counted something.  retries: by `stage:CODE`."""

    breakers: dict[str, BreakerFigures]
    retries: dict[str, int]


def live_workers(client: redis.Redis) -> dict[str, int]:
    """Worker processes by queue."""
    with redis_errors():
        return pools.live_workers(client, list(QUEUES))


def queue_figures(store: JobStore) -> dict[str, QueueFigures]:
    """The figures of every queue by its name."""
    counts, workers = store.admission.counts(), live_workers(store.redis)
    with redis_errors():
        deliveries = QueueCounts(store.redis.llen(DELIVERY_QUEUE), 0, None)
    return {
        queue: QueueFigures(
            waiting=(found := counts.get(queue, deliveries)).waiting,
            running=found.at_work,
            oldest_wait_seconds=found.longest_wait_s,
            workers=workers[queue],
            mean_seconds=None if queue == DELIVERY_QUEUE else _mean_seconds(store.redis, queue),
        )
        for queue in QUEUES
    }


def _mean_seconds(client: redis.Redis, queue: str) -> float | None:
    """Seconds of work that a job means for the queue; None until all its stages have been measured."""
    total = 0.0
    for stage in STAGES:
        if stage.queue == queue:
            with redis_errors():
                seconds, count = client.hmget(keys.seconds(stage.name), "sum", "count")
            if not (seconds and count and int(count)):
                return None
            total += float(seconds) / int(count)
    return round(total, 3)


def reliability_figures(client: redis.Redis) -> ReliabilityFigures:
    """Retries, and the state and counts of every circuit breaker."""
    with redis_errors():
        retries = client.hgetall(keys.RETRIES)
        states = {
            str(service): cast("dict[str, str]", client.hgetall(keys.breaker(str(service))))
            for service in sorted(client.zrange(keys.BREAKERS, 0, -1))
        }
    breakers = {service: _breaker(state) for service, state in states.items() if state}
    return ReliabilityFigures(breakers, {str(name): int(count) for name, count in sorted(retries.items())})


def _breaker(state: dict[str, str]) -> BreakerFigures:
    opened_ms = state.get("opened_at")
    return BreakerFigures(
        state=state.get("state", "closed"),
        failures=int(state.get("failures", 0)),
        failing=int(state.get("failing", 0)),
        openings=int(state.get("openings", 0)),
        probes=int(state.get("probes", 0)),
        refusals=int(state.get("refusals", 0)),
        opened_at=iso(datetime.fromtimestamp(float(opened_ms) / 1000, UTC)) if opened_ms else None,
    )
