"""Prometheus: this process's requests, and what all processes share as read from Redis at the scrape."""

import time
from collections.abc import Iterator

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from shared.errors import DatabaseError
from shared.stages import JobStatus
from web.dependencies import Dependencies
from web.queues import BreakerFigures, queue_figures, reliability_figures

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "OPTIONS"})
BREAKER_STATES = ("closed", "open", "half-open")


class RedisCollector(Collector):
    """Jobs, queues, retries and breakers. Says `klip_redis_up 0` and no more while Redis can't be read."""

    def __init__(self, own: Dependencies) -> None:
        self._own = own

    def collect(self) -> Iterator[Metric]:
        """Figures of the whole deployment, read from Redis at each scrape."""
        try:
            families = [*self._jobs(), *self._queues(), *self._reliability()]
        except DatabaseError:
            yield GaugeMetricFamily("klip_redis_up", "Whether Redis answers.", value=0)
            return
        yield GaugeMetricFamily("klip_redis_up", "Whether Redis answers.", value=1)
        yield from families

    def _jobs(self) -> Iterator[GaugeMetricFamily]:
        counts = self._own.store.count_by_status({"", *self._own.config.api_keys})
        family = GaugeMetricFamily("klip_jobs", "Jobs that are kept, by status.", labels=["status"])
        for status in JobStatus:
            family.add_metric([status.value], counts[status])
        yield family

    def _queues(self) -> Iterator[GaugeMetricFamily]:
        figures = queue_figures(self._own.store)
        for name, text in (
            ("waiting", "Messages that no worker has taken."),
            ("running", "Jobs at work."),
            ("workers", "Worker processes that live."),
            ("oldest_wait_seconds", "How long the oldest job waits for a worker."),
        ):
            family = GaugeMetricFamily(f"klip_queue_{name}", text, labels=["queue"])
            for queue, figure in figures.items():
                family.add_metric([queue], getattr(figure, name) or 0)
            yield family

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


def register(app: Flask, own: Dependencies) -> None:
    """Count every request, and answer /metrics."""
    registry = CollectorRegistry()
    requests = Counter(
        "klip_http_requests", "Requests answered by this process.", ["method", "endpoint", "status"], registry=registry
    )
    seconds = Histogram(
        "klip_http_request_seconds",
        "Time to the answer's first byte.",
        ["endpoint"],
        buckets=BUCKETS_S,
        registry=registry,
    )
    streams = Gauge("klip_streams", "Clients that follow a job in this process.", registry=registry)
    streams.set_function(lambda: own.hub.clients)
    registry.register(RedisCollector(own))

    def begin() -> None:
        g.began = time.perf_counter()

    def count(response: Response) -> Response:
        endpoint = request.endpoint or "none"
        # Methods are what clients write, labels live for ever.
        method = request.method if request.method in METHODS else "other"
        requests.labels(method, endpoint, str(response.status_code)).inc()
        seconds.labels(endpoint).observe(time.perf_counter() - g.get("began", time.perf_counter()))
        return response

    def metrics() -> Response:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)

    app.before_request(begin)
    app.after_request(count)
    app.add_url_rule("/metrics", "metrics", metrics)
