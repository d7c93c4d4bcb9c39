"""gunicorn's settings, each with its reason. `gunicorn -c web/gunicorn.conf.py web:app`."""

import sys

from shared.settings import SettingsError, settings
from web.server import StructuredLogger

try:
    _config = settings()
except SettingsError as error:
    sys.exit(f"klipstream: {error}")

bind = f"{_config.host}:{_config.port}"

# A greenlet a connection: 20 KiB for each client that follows a job, where a thread takes megabytes.
worker_class = "gevent"

# One process is enough for thousands of streams. gunicorn takes another number of them from WEB_CONCURRENCY: they share
# Redis and the rate limits, nothing else.
worker_connections = 10_000
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
