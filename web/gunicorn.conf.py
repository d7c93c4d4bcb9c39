"""gunicorn's settings, each with its reason. `gunicorn -c web/gunicorn.conf.py web:app`."""

import resource
import sys
from typing import Protocol

from shared.settings import SettingsError, settings
from web import metrics_folder
from web.access_log import StructuredLogger

FILES = 65_536  # or more where MAX_STREAMS needs it

try:
    _config = settings()
except SettingsError as error:
    sys.exit(f"klipstream: {error}")

bind = f"{_config.host}:{_config.port}"

# Each client is an open file; the usual soft limit of 1 024 would end the streams' number there.
_files, _most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
_wanted = max(FILES, _config.max_streams + 1024)
_wanted = _wanted if _most_files == resource.RLIM_INFINITY else min(_wanted, _most_files)
resource.setrlimit(resource.RLIMIT_NOFILE, (max(_files, _wanted), _most_files))

# gevent's, a greenlet a request; a stream costs none once it has begun.
worker_class = "web.worker.StreamWorker"

# One process is enough for thousands of streams. gunicorn takes another number of them from WEB_CONCURRENCY: they share
# Redis, the rate limits and, through this folder, their counts for /metrics.
metrics_folder.prepare(_config.data_dir / "run")
worker_connections = 10_000  # requests; streams have MAX_STREAMS
backlog = 2048

# A worker whose event loop stands still for this long is replaced. Streams don't count: the loop turns under them.
timeout = 30
graceful_timeout = 5
keepalive = 15

# The longest address is a file's name below a job; the longest header a key.
limit_request_line = 4094
limit_request_fields = 64
limit_request_field_size = 8190

logger_class = StructuredLogger
accesslog = "-"

# supervisord and signals control the server; a socket would be written outside DATA_DIR.
control_socket_disable = True


class _Worker(Protocol):
    """What is read of gunicorn's worker."""

    pid: int


def child_exit(_server: object, worker: _Worker) -> None:
    """A process that ended has no streams any more; what it counted stays."""
    from prometheus_client.multiprocess import mark_process_dead  # after the folder was set

    mark_process_dead(worker.pid)


def on_exit(_server: object) -> None:
    """The server has ended."""
    metrics_folder.remove()
