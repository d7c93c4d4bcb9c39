"""`GET /metrics`: what this server's processes count, what the deployment shares, and the disk. Prometheus text."""

import time

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from web.dependencies import Dependencies
from web.process_metrics import REQUEST_SECONDS, REQUESTS, process_collector
from web.redis_metrics import DiskCollector, RedisCollector

METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"})


def register(app: Flask, own: Dependencies) -> None:
    """Count every request, and answer /metrics."""
    registry = CollectorRegistry()
    for collector in (process_collector(), RedisCollector(own), DiskCollector(own)):
        registry.register(collector)

    def metrics() -> Response:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)

    app.before_request(_begin)
    app.after_request(_count)
    app.add_url_rule("/metrics", "metrics", metrics)


def _begin() -> None:
    g.began = time.perf_counter()


def _count(response: Response) -> Response:
    endpoint = request.endpoint or "none"
    # Methods are what clients write, labels live for ever.
    method = request.method if request.method in METHODS else "other"
    REQUESTS.labels(method, endpoint, str(response.status_code)).inc()
    REQUEST_SECONDS.labels(endpoint).observe(time.perf_counter() - g.get("began", time.perf_counter()))
    return response
