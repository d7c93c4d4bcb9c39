"""Connections to Redis, with the patience their user can afford."""

from contextlib import AbstractContextManager

import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from shared.errors import DatabaseError
from shared.net.edges import converted
from shared.redis.embedded import redis_url
from shared.settings import Settings

# A worker in mid-stage rides out a restart of Redis: 12 tries, up to 5 s apart, is about 40 s.
WORKER_RETRIES = 12
# A breaker that can't be asked lets the call through.
BREAKER_RETRIES = 1
# A web request answers 503 rather than hang.
WEB_RETRIES = 1
MAX_CONNECTIONS = 50


def redis_errors() -> AbstractContextManager[None]:
    """Turn Redis' errors into ours."""
    unusable = "The job database can't be reached or refuses to write."
    return converted(redis.RedisError, into=lambda _error: DatabaseError(unusable))


def connect(config: Settings, *, retries: int) -> redis.Redis:
    """A client with a pool that waits for a free connection instead of failing when all are in use."""
    pool = redis.BlockingConnectionPool.from_url(
        redis_url(config),
        max_connections=MAX_CONNECTIONS,
        timeout=5,
        socket_connect_timeout=2,
        socket_timeout=5,
        health_check_interval=15,
        decode_responses=True,
        retry=Retry(
            ExponentialWithJitterBackoff(base=0.1, cap=5),
            retries,
            supported_errors=(RedisConnectionError, RedisTimeoutError, ConnectionRefusedError),
        ),
    )
    return redis.Redis.from_pool(pool)
