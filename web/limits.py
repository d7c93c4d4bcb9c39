"""How often one key, or one address without keys, may ask. Counted in Redis, so all web processes count together."""

import math
import time
from typing import NamedTuple, cast

from flask import Flask, Response, current_app, g, request
from flask_limiter import Limiter
from flask_limiter.errors import RateLimitExceeded as LimiterSaysNo
from limits.storage import MemoryStorage, RedisStorage
from redis import ConnectionPool

from shared.errors import RateLimitExceeded
from shared.redis import keys
from shared.redis.embedded import redis_url
from shared.redis.script import Script
from shared.settings import Settings, SettingsError
from web.auth import is_api_call, owner_of_request
from web.dependencies import Dependencies, dependencies
from web.problems import problem_response

SUBMIT_ENDPOINTS = frozenset({"analysis.submit", "batch.submit_all", "webhooks.ping"})
EXTENSION = "klipstream-limiter"


def _is_submission() -> bool:
    return request.endpoint in SUBMIT_ENDPOINTS


def _rate() -> str:
    config = dependencies().config
    return (config.rate_limit_submit if _is_submission() else config.rate_limit_read).text


def _who() -> str:
    """A wrong key counts for the address it came from, so keys can't be tried out quickly."""
    kind = "submit" if _is_submission() else "read"
    return f"{kind}:{owner_of_request() or request.remote_addr}"


class Counted(NamedTuple):
    """A request in its window. requests: so far.  left_ms: until the window ends."""

    requests: int
    left_ms: int


class WindowStorage(RedisStorage):
    """Redis, asked once for a request: with the count comes what the answer's headers say of its window."""

    STORAGE_SCHEME = ["klipstream"]  # noqa: RUF012 -- the library's own form

    def __init__(self, uri: str, connection_pool: ConnectionPool) -> None:
        super().__init__(uri, connection_pool=connection_pool)
        self._count = Script(self.storage, "count_request")

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        g.counted = Counted(*self._count([self.prefixed_key(key)], [expiry, amount]))
        return int(g.counted.requests)


def _storage(config: Settings, own: Dependencies) -> tuple[str, dict[str, str | int]]:
    """Address and options of where requests are counted."""
    try:
        redis_url(config)
    except SettingsError:
        # No stack was ever started here: a command such as `analyze` runs, nothing is served.
        return "memory://", {}
    # The limiter's own pool would fail at its 101st connection; ours waits for a free one.
    # The limiter's annotation knows no pools, its storage does.
    return "klipstream://", cast("dict[str, str | int]", {"connection_pool": own.redis.connection_pool})


def limiter_for(config: Settings, own: Dependencies) -> Limiter:
    """Counts requests by key, or by address without one, in Redis."""
    uri, options = _storage(config, own)
    return Limiter(
        _who,
        application_limits=[_rate],
        application_limits_exempt_when=lambda: not is_api_call(),
        storage_uri=uri,
        storage_options=options,
        # Without Redis each process counts for itself: reads go on being answered, if only with an error.
        in_memory_fallback_enabled=True,
        # Of many requests that meet the outage at once, the limiter takes only the first over to its own count.
        swallow_errors=True,
        key_prefix=keys.LIMIT,
    )


def _refuse(error: LimiterSaysNo) -> Response:
    window = _window()
    wait_s = max(1, window.reset_s) if window else 1
    rate = _rate()
    return problem_response(RateLimitExceeded(f"More than {rate} requests.", retry_after_s=wait_s))


class Window(NamedTuple):
    """Of the limit that counts the request. amount: requests in period_s.  reset_s: until it begins anew."""

    name: str
    amount: int
    period_s: int
    remaining: int
    reset_s: int


def _window() -> Window | None:
    """None where nothing was counted."""
    limiter = cast("Limiter", current_app.extensions[EXTENSION])
    current = limiter.current_limit
    if current is None:
        return None
    name = "submit" if _is_submission() else "read"
    amount, period_s = current.limit.amount, current.limit.get_expiry()
    counted: Counted | None = g.get("counted")
    if counted is not None:
        count, left_s = counted.requests, counted.left_ms / 1000
    elif isinstance(limiter.limiter.storage, MemoryStorage):
        ends_at, remaining = current.window
        count, left_s = amount - remaining, ends_at - time.time()
    else:  # counted in memory, and Redis is back since
        return None
    remaining = max(0, amount - count)
    return Window(name, amount, period_s, remaining, max(0, math.ceil(left_s)))


def _tell(response: Response) -> Response:
    """RateLimit and RateLimit-Policy as draft-ietf-httpapi-ratelimit-headers-11 has them, and the three fields that its
    versions up to 06 had, which more clients know."""
    window = _window() if is_api_call() else None
    if window is not None:
        response.headers["RateLimit-Policy"] = f'"{window.name}";q={window.amount};w={window.period_s}'
        response.headers["RateLimit"] = f'"{window.name}";r={window.remaining};t={window.reset_s}'
        response.headers["RateLimit-Limit"] = str(window.amount)
        response.headers["RateLimit-Remaining"] = str(window.remaining)
        response.headers["RateLimit-Reset"] = str(window.reset_s)
    return response


def register(app: Flask, config: Settings, own: Dependencies) -> None:
    """Refuse what is above the limits, as RATE_LIMIT_EXCEEDED."""
    limiter = limiter_for(config, own)
    limiter.init_app(app)
    app.extensions[EXTENSION] = limiter
    app.after_request(_tell)
    app.register_error_handler(LimiterSaysNo, _refuse)
