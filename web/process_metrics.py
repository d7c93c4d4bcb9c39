"""What this web process counts. Under gunicorn the processes of a server keep their counts in one folder, where any
of them reads them all; see `web.metrics_folder`.
"""

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from web.metrics_folder import VARIABLE

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

_registry = CollectorRegistry()
REQUESTS = Counter("klip_http_requests", "Requests answered.", ["method", "endpoint", "status"], registry=_registry)
REQUEST_SECONDS = Histogram(
    "klip_http_request_seconds", "Time to the answer's first byte.", ["endpoint"], buckets=BUCKETS_S, registry=_registry
)
STREAMS = Gauge(
    "klip_streams", "Clients that follow a job at this server.", multiprocess_mode="livesum", registry=_registry
)
STREAMS_DROPPED = Counter("klip_streams_dropped", "Clients that took too little of a stream.", registry=_registry)


def process_collector() -> Collector:
    """The counts of all processes of this server; of this process alone where no folder is shared."""
    folder = os.environ.get(VARIABLE)
    return MultiProcessCollector(None, folder) if folder else _registry
