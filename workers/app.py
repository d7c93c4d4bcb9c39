"""The Celery app, and what every pool process needs. `celery -A workers.app worker -Q download -c 2`."""

import importlib
import logging
import os
import signal
import socket
import sys
import traceback
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypedDict

import redis
from celery import Celery, signals

from shared.artifacts.factory import open_store
from shared.artifacts.store import ArtifactStore
from shared.log import configure_logging, logger
from shared.redis.breaker import Breakers
from shared.redis.connection import BREAKER_RETRIES, WORKER_RETRIES, connect
from shared.redis.pools import say_alive
from shared.redis.store import JobStore
from shared.settings import settings
from shared.stages import DELIVERY_QUEUE, QUEUES, STAGES
from workers.housekeeping import EVERY_AT_START_S, start_if_due
from workers.threads import limit_threads

# The celery program puts the working folder on the path to find this module, and takes it off again afterwards.
sys.path.append(str(Path(__file__).resolve().parent.parent))

# A worker imports the tasks of its own queues only: the libraries behind them take seconds and 100 MB.
TASK_MODULES = {queue: [stage.task for stage in STAGES if stage.queue == queue] for queue in QUEUES}
TASK_MODULES[DELIVERY_QUEUE] = ["tasks.delivery", "tasks.reaper"]

app = Celery("klipstream")
app.config_from_object("celeryconfig")
log = logger("klipstream.worker")


@cache
def job_store() -> JobStore:
    """This process's connection to the jobs."""
    return JobStore(connect(settings(), retries=WORKER_RETRIES))


@cache
def artifact_store() -> ArtifactStore:
    """Where this process keeps files of jobs."""
    return open_store(settings(), breakers=breakers())


@cache
def breakers() -> Breakers:
    """This process's circuit breakers. Impatient with Redis: while it is away, calls go through unguarded, not late."""
    return Breakers(connect(settings(), retries=BREAKER_RETRIES))


@cache
def _heartbeat_redis() -> redis.Redis:
    # Called from the worker's event loop, which must not wait for a server that is down.
    return connect(settings(), retries=0)


class _Given(TypedDict, total=False):
    """What is read of the command line of a pool."""

    queues: list[str] | None


class _Pool(Protocol):
    """What is read of Celery's worker."""

    concurrency: int


@signals.celeryd_init.connect
def _import_the_tasks(options: _Given, **_: object) -> None:
    limit_threads(settings().threads)
    asked = options.get("queues") or QUEUES
    modules = [module for queue in asked for module in TASK_MODULES.get(queue, ())]
    try:
        for module in modules:
            importlib.import_module(module)
    except Exception:  # noqa: BLE001 -- Celery would swallow it, and the pool would discard every message
        traceback.print_exc()
        sys.exit("klipstream: the tasks of this pool can't be loaded")


@signals.worker_ready.connect
def _stop_on_term_as_on_quit(**_: object) -> None:
    # TERM is what every supervisor sends, and Celery's answer to it is to wait for hours until running stages end.
    # Its answer to QUIT is the one we want: give them back after worker_soft_shutdown_timeout, and go.
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGQUIT))


class _NotAboutSweeps(logging.Filter):
    """Sweeps come every second and log what they did; that Celery sent, received and ended them is left out."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is to be written."""
        return record.levelno > logging.INFO or _task_in(record) not in _sweeps()


@cache
def _sweeps() -> frozenset[object]:
    return frozenset(entry["task"] for entry in app.conf.beat_schedule.values())


def _task_in(record: logging.LogRecord) -> object:
    """The task that a line of Celery's is about: in the data of a worker's line, at the end of the scheduler's."""
    data = getattr(record, "data", None)
    if isinstance(data, dict):
        return data.get("name")
    return record.args[-1] if isinstance(record.args, tuple) and record.args else None


@signals.setup_logging.connect
def _set_up_logging(**_: object) -> None:
    configure_logging(settings())
    for name in ("celery.beat", "celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).addFilter(_NotAboutSweeps())


@signals.worker_process_init.connect
def _forget_the_parents_connections(**_: object) -> None:
    job_store.cache_clear()
    artifact_store.cache_clear()
    breakers.cache_clear()


@signals.worker_process_init.connect
def _clean_up_after_the_dead(**_: object) -> None:
    # In the pool's processes: they do not fork any more, so a thread of theirs is safe and delays nothing.
    start_if_due(settings(), job_store(), every_s=EVERY_AT_START_S)


@signals.celeryd_after_setup.connect
def _note_the_children(instance: _Pool, **_: object) -> None:
    app.conf.klip_children = instance.concurrency


@signals.heartbeat_sent.connect
def _say_that_the_pool_lives(sender: Any, **_: object) -> None:  # noqa: ANN401 -- Celery's untyped heart
    worker = f"{socket.gethostname()}-{os.getpid()}"
    # Whom Redis can't hear counts as gone until it can: that is what /ready shall say.
    with suppress(redis.RedisError):
        queues = list(sender.eventer.app.amqp.queues.consume_from)
        say_alive(_heartbeat_redis(), worker=worker, queues=queues, children=app.conf.get("klip_children", 1))
