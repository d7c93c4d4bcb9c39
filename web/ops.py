"""What operators and scalers look at: health, readiness, queues, reliability, the error catalogue."""

import socket
from collections.abc import Callable

import redis
from flask import Response, jsonify

from shared.errors import KlipError, ServiceUnavailable, catalogue
from shared.redis import keys
from shared.redis.connection import redis_errors
from shared.settings import Settings
from shared.stages import QUEUES
from web.blueprints import blueprint
from web.calls import operation
from web.dependencies import Dependencies, dependencies
from web.disk import disk_usage
from web.ops_answers import (
    ErrorListSchema,
    HealthSchema,
    NotReadySchema,
    QueueFiguresSchema,
    ReadySchema,
    ReliabilitySchema,
)
from web.problems import PROBLEM_JSON, problem_response
from web.queues import live_workers, queue_figures, reliability_figures

MIN_FREE_BYTES = 1 << 30
blp = blueprint("ops", "For operators.")


@blp.route("/health")
@blp.response(200, HealthSchema)
@operation("getHealth")
def health() -> Response:
    """Whether the web process is alive."""
    return jsonify(status="ok")


@blp.route("/ready")
@blp.response(200, ReadySchema)
@blp.alt_response(503, schema=NotReadySchema, content_type=PROBLEM_JSON, description="Something is missing.")
@operation("getReadiness")
def ready() -> Response:
    """Whether work can be taken, with a reason for each part that can't."""
    reasons = {name: _reason(check) for name, check in _checks(dependencies()).items()}
    parts = {name: {"ok": reason is None, "reason": reason} for name, reason in reasons.items()}
    missing = [name for name, reason in reasons.items() if reason is not None]
    if missing:
        return problem_response(ServiceUnavailable(f"Not ready: {', '.join(missing)}."), ready=False, parts=parts)
    return jsonify(ready=True, parts=parts)


def _checks(own: Dependencies) -> dict[str, Callable[[], None]]:
    checks: dict[str, Callable[[], None]] = {
        "redis": lambda: _check_redis(own.redis),
        "artifacts": lambda: own.artifacts.check(),
        "disk": lambda: _check_disk(own.config),
    }
    return checks | {f"worker-{queue}": _worker_check(own, queue) for queue in QUEUES}


def _reason(check: Callable[[], None]) -> str | None:
    try:
        check()
    except KlipError as error:
        return error.detail
    return None


def _check_redis(client: redis.Redis) -> None:
    with redis_errors():
        client.set(keys.ready(socket.gethostname()), "1", ex=10)


def _check_disk(config: Settings) -> None:
    free = disk_usage(config.data_dir).free
    if free < MIN_FREE_BYTES:
        raise ServiceUnavailable(f"Only {free >> 20} MiB are free in DATA_DIR.")


def _worker_check(own: Dependencies, queue: str) -> Callable[[], None]:
    def check() -> None:
        if not live_workers(own.redis)[queue]:
            raise ServiceUnavailable(f"No worker listens to the queue {queue}.")

    return check


@blp.route("/api/v1/queues")
@blp.response(200, QueueFiguresSchema)
@operation("getQueues")
def queues() -> Response:
    """How busy each queue is, for scaling decisions."""
    figures = queue_figures(dependencies().store)
    return jsonify(queues={queue: figure.as_dict() for queue, figure in figures.items()})


@blp.route("/api/v1/reliability")
@blp.response(200, ReliabilitySchema)
@operation("getReliability")
def reliability() -> Response:
    """Retries per operation and the state of every circuit breaker."""
    figures = reliability_figures(dependencies().redis)
    breakers = {service: breaker.as_dict() for service, breaker in figures.breakers.items()}
    return jsonify(breakers=breakers, retries=figures.retries)


@blp.route("/api/v1/errors")
@blp.response(200, ErrorListSchema)
@operation("listErrors")
def errors() -> Response:
    """Every error there is."""
    return jsonify(errors=error_entries())


def error_entries() -> list[dict[str, object]]:
    """The error catalogue as it is answered."""
    return [
        {
            "code": code,
            "title": cls.title(),
            "error_type": cls.error_type.value,
            "status": cls.http_status,
            "retryable": cls.retryable,
            "retry_after_seconds": cls.default_retry_after_s if cls.retryable else None,
            "suggested_action": cls.suggested_action,
        }
        for code, cls in catalogue().items()
    ]
