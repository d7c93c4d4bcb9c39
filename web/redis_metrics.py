"""What all processes of the deployment share, read from Redis at each scrape; and the disk under this server."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from shared.errors import DatabaseError
from shared.redis import keys
from shared.redis.connection import redis_errors
from shared.redis.counters import BUCKETS_S, Counted, Counters, Counts, stage_seconds
from shared.stages import JobStatus
from web.dependencies import Dependencies
from web.disk import disk_usage
from web.queues import BreakerFigures, queue_figures, reliability_figures

BREAKER_STATES = ("closed", "open", "half-open")
COUNTERS = (
    (Counted.JOBS_FINISHED, "klip_jobs_finished", "Jobs that ended.", ("status", "code")),
    (Counted.WORKER_DEATHS, "klip_worker_deaths", "Processes that died in a stage.", ("stage",)),
    (Counted.LEASE_LOSSES, "klip_lease_losses", "Stages taken from a process that still worked.", ("stage",)),
    (Counted.FETCHED_BYTES, "klip_fetched_bytes", "Bytes that stages received over HTTP.", ("stage",)),
    (Counted.TRANSCRIBED_SECONDS, "klip_transcribed_seconds", "Sound that was transcribed.", ("provider",)),
    (Counted.TRANSCRIPTION_DOLLARS, "klip_transcription_dollars", "Estimated cost of that.", ("provider",)),
)


class RedisCollector(Collector):
    """Jobs, queues, stages, retries and breakers. Says `klip_redis_up 0` and no more while Redis can't be read."""

    def __init__(self, own: Dependencies) -> None:
        self._own = own

    def collect(self) -> Iterator[Metric]:
        """Figures of the whole deployment."""
        try:
            families = [*self._jobs(), *self._queues(), *self._counts(), *self._reliability(), *self._backlog()]
        except DatabaseError:
            yield GaugeMetricFamily("klip_redis_up", "Whether Redis answers.", value=0)
            return
        yield GaugeMetricFamily("klip_redis_up", "Whether Redis answers.", value=1)
        yield from families

    def _jobs(self) -> Iterator[Metric]:
        counts = self._own.store.count_by_status({"", *self._own.keys.names})
        family = GaugeMetricFamily("klip_jobs", "Jobs that are kept, by status.", labels=["status"])
        for status in JobStatus:
            family.add_metric([status.value], counts[status])
        yield family

    def _queues(self) -> Iterator[Metric]:
        figures = queue_figures(self._own.store)
        for name, text in (
            ("waiting", "Jobs that wait for admission or a worker; in the queue delivery, messages."),
            ("running", "Jobs at work."),
            ("workers", "Worker processes that live."),
            ("oldest_wait_seconds", "How long the oldest job waits for a worker."),
        ):
            family = GaugeMetricFamily(f"klip_queue_{name}", text, labels=["queue"])
            for queue, figure in figures.items():
                family.add_metric([queue], getattr(figure, name) or 0)
            yield family

    def _counts(self) -> Iterator[Metric]:
        counts = Counters(self._own.redis).read()
        for counted, name, text, labels in COUNTERS:
            family = CounterMetricFamily(name, text, labels=labels)
            for values, count in counts.get(counted, {}).items():
                family.add_metric(values, count)
            yield family
        yield _stages(counts)

    def _reliability(self) -> Iterator[Metric]:
        figures = reliability_figures(self._own.redis)
        retries = CounterMetricFamily(
            "klip_retries", "Stages that were put back to be tried again.", labels=["stage", "code"]
        )
        for name, count in figures.retries.items():
            stage, _, code = name.partition(":")
            retries.add_metric([stage, code], count)
        yield retries
        yield from _breakers(figures.breakers)

    def _backlog(self) -> Iterator[Metric]:
        with redis_errors(), self._own.redis.pipeline(transaction=False) as pipe:
            pipe.zcard(keys.WEBHOOKS_DUE)
            pipe.zcard(keys.MIRROR_DUE)
            webhooks, mirror = pipe.execute()
        yield GaugeMetricFamily("klip_webhooks_pending", "Events that are not delivered yet.", value=webhooks)
        yield GaugeMetricFamily("klip_mirror_pending", "Jobs whose row in Convex may be behind.", value=mirror)


class DiskCollector(Collector):
    """The disk that holds DATA_DIR on the machine that answers."""

    def __init__(self, own: Dependencies) -> None:
        self._own = own

    def collect(self) -> Iterator[Metric]:
        """Its free and whole size."""
        usage = disk_usage(self._own.config.data_dir)
        yield GaugeMetricFamily("klip_disk_free_bytes", "Free on the disk of DATA_DIR.", value=usage.free)
        yield GaugeMetricFamily("klip_disk_size_bytes", "Size of the disk of DATA_DIR.", value=usage.total)


def _stages(counts: Counts) -> Metric:
    family = HistogramMetricFamily(
        "klip_stage_seconds", "Time of a stage's runs that came to an end.", labels=["stage"]
    )
    bounds = [*(str(bound) for bound in BUCKETS_S), "+Inf"]
    for stage, measured in stage_seconds(counts).items():
        below, total = [], 0
        for bound, count in zip(bounds, measured.counts, strict=True):
            total += count
            below.append((bound, float(total)))
        family.add_metric([stage], below, measured.sum_s)
    return family


def _breakers(figures: dict[str, BreakerFigures]) -> Iterator[Metric]:
    is_open = GaugeMetricFamily("klip_breaker_open", "Whether calls are refused.", labels=["service"])
    states = GaugeMetricFamily("klip_breaker_state", "1 for the state it is in.", labels=["service", "state"])
    failures = GaugeMetricFamily("klip_breaker_failures", "Failures in a row.", labels=["service"])
    for service, figure in figures.items():
        is_open.add_metric([service], figure.state == "open")
        failures.add_metric([service], figure.failures)
        for state in BREAKER_STATES:
            states.add_metric([service, state], figure.state == state)
    yield from (is_open, states, failures)
    for name, text in (
        ("openings", "How often it has opened."),
        ("probes", "Calls that were let through to see whether the service is well."),
        ("refusals", "Calls that were not made."),
    ):
        family = CounterMetricFamily(f"klip_breaker_{name}", text, labels=["service"])
        for service, figure in figures.items():
            family.add_metric([service], getattr(figure, name))
        yield family
