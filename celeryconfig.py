"""Celery's settings, each with its reason. Read by `workers.app`."""

import sys

from kombu import Queue

from shared.redis.embedded import redis_url
from shared.settings import SettingsError, settings
from shared.stages import DELIVERY_QUEUE, QUEUES, STAGES

try:
    _config = settings()
    broker_url = redis_url(_config)
except SettingsError as error:
    sys.exit(f"klipstream: {error}")

# The queue of each task comes from the stage table; a misspelt queue is an error, not a new queue nobody reads.
task_queues = [Queue(name) for name in QUEUES]
task_create_missing_queues = False
task_default_queue = DELIVERY_QUEUE
task_routes = {stage.task: {"queue": stage.queue} for stage in STAGES}

# Nothing but JSON is ever unpacked: who can write to Redis must not be able to run code here.
task_serializer = "json"
accept_content = ["json"]

# State lives in shared.redis.store; results would be a second truth.
task_ignore_result = True

# A message is acknowledged when its task has ended, so a killed pool child's message is delivered again at once.
task_acks_late = True
task_reject_on_worker_lost = True

# A message waiting inside a busy worker could be taken by a free one.
worker_prefetch_multiplier = 1

# Longer than any stage may take: a shorter one runs long stages twice at once. What a killed worker held comes back
# through the lease and the reaper, not through this.
_VISIBILITY_S = 24 * 3600
broker_transport_options = {"visibility_timeout": _VISIBILITY_S, "socket_timeout": 30, "socket_connect_timeout": 5}
result_backend_transport_options = {"visibility_timeout": _VISIBILITY_S}
visibility_timeout = _VISIBILITY_S

# The last resort for a stage that hangs where no signal reaches it; stages have their own, shorter limits.
task_time_limit = 12 * 3600

# A worker outlives a restart of Redis, at its start and later; running stages go on meanwhile.
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
# A Redis that refuses to write (a replica after a failover, a full disk) answers, so Celery takes that for an error of
# the program and ends: a start later it takes work again, which is many seconds after Redis does. So it stays.
broker_channel_error_retry = True
worker_cancel_long_running_tasks_on_connection_loss = False

# A stop gives running messages back after this long instead of waiting for hours (workers.app makes TERM do so).
worker_soft_shutdown_timeout = 2.0

# A child that grew past this (KiB) is replaced after its task: leaks of native libraries end there. What grows in the
# middle of a stage is stopped by the stage's own, higher limit.
worker_max_memory_per_child = 3_000_000

# Flower and /api/v1/queues see what happens.
worker_send_task_events = True
task_send_sent_event = True

# shared.log formats every line.
worker_hijack_root_logger = False
worker_redirect_stdouts = False

_run = _config.data_dir / "run"
_run.mkdir(parents=True, exist_ok=True)
beat_schedule_filename = str(_run / "celerybeat-schedule")
# A sweep is sent when something is due, not else.
beat_scheduler = "tasks.schedule:DueScheduler"
beat_schedule = {
    # A sweep that waited longer than its interval is worthless: the next one is there.
    "reap": {"task": "tasks.reap", "schedule": 2.0, "options": {"queue": DELIVERY_QUEUE, "expires": 2.0}},
    "mirror": {"task": "tasks.mirror", "schedule": 1.0, "options": {"queue": DELIVERY_QUEUE, "expires": 1.0}},
    "webhooks": {"task": "tasks.webhooks", "schedule": 1.0, "options": {"queue": DELIVERY_QUEUE, "expires": 1.0}},
    "forget": {"task": "tasks.forget_cancelled", "schedule": 5.0, "options": {"queue": DELIVERY_QUEUE, "expires": 5.0}},
    "retention": {"task": "tasks.retention", "schedule": 3600.0, "options": {"queue": DELIVERY_QUEUE, "expires": 600}},
}
# Beat looks at the clock this often at least.
beat_max_loop_interval = 0.5
