"""One circuit breaker per external service, shared by all workers.

pybreaker decides; its state is a hash in Redis, `klip:breaker:SERVICE` (state, failures, opened_at in ms, and
how often it was opened, probed and refused a call: openings, probes, refusals).
pybreaker's own Redis storage is not used: it lets every process through while half-open, adds up read-then-write
without a lock, and its breaker holds a lock over the call, so that threads take turns.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import uuid4

import pybreaker
import redis

from shared.errors import Cancelled, CircuitOpen, ErrorType, KlipError
from shared.log import logger
from shared.redis import keys, locks
from shared.redis.script import Script

FAIL_MAX = 5  # failures in a row
RESET_S = 60.0  # from opening to the probe
PROBE_S = 120.0  # a probe whose process died keeps the next one waiting so long
SERVICE_FAILURES = frozenset({ErrorType.NETWORK_ERROR, ErrorType.EXTERNAL_SERVICE_ERROR, ErrorType.PROCESSING_TIMEOUT})

T = TypeVar("T")
log = logger("klipstream.breaker")

_EVENTS = {
    ("closed", "open"): "breaker_opened",
    ("half-open", "open"): "breaker_probe_failed",
    ("open", "half-open"): "breaker_probing",
    ("open", "closed"): "breaker_closed",
    ("half-open", "closed"): "breaker_closed",
}


class Call(Protocol):
    """Calls `work` under the protection of something."""

    def __call__(self, work: Callable[[], T], /) -> T: ...


def unguarded(work: Callable[[], T], /) -> T:
    """A `Call` that just calls."""
    return work()


def counts_as_failure(error: BaseException) -> bool:
    """Whether `error` says that the service is unwell. A refusal shows that it works."""
    return isinstance(error, KlipError) and error.error_type in SERVICE_FAILURES and error.retryable


class _Storage(pybreaker.CircuitBreakerStorage):
    """The state as it was when this call was let in, and what the call does to it."""

    def __init__(self, client: redis.Redis, service: str, state: str) -> None:
        super().__init__("klipstream")
        self._redis, self._service, self._key = client, service, keys.breaker(service)
        self._state = state
        self._failures = 0
        self.frozen = False

    @property
    def state(self) -> str:
        return self._state

    @state.setter
    def state(self, state: str) -> None:
        if self.frozen:
            return
        self._state = state
        old = Script(self._redis, "move")([self._key], [state])
        if event := _EVENTS.get((str(old), state)):
            log.warning(event, service=self._service, failures=self._failures)

    def increment_counter(self) -> None:
        self._failures = self._redis.hincrby(self._key, "failures", 1)

    def reset_counter(self) -> None:
        if not self.frozen and self._redis.hget(self._key, "failures") not in {None, "0"}:
            self._redis.hset(self._key, "failures", 0)

    @property
    def counter(self) -> int:
        return self._failures

    def increment_success_counter(self) -> None:
        """One success closes it."""

    def reset_success_counter(self) -> None:
        """One success closes it."""

    @property
    def success_counter(self) -> int:
        return 1

    # When it opened is noted by move.lua, on Redis' clock, and looked at by admit.lua.
    @property
    def opened_at(self) -> datetime | None:
        return None

    @opened_at.setter
    def opened_at(self, _moment: datetime) -> None:
        return


class CircuitBreaker:
    """A `Call` that asks the breaker of one service."""

    def __init__(self, client: redis.Redis, service: str, *, reset_s: float = RESET_S) -> None:
        self._redis, self.service, self._reset_s = client, service, reset_s

    def __call__(self, work: Callable[[], T], /) -> T:
        """`work()`. Raises CircuitOpen without calling it while the service is left alone.

        With Redis away the call goes through: a breaker must not be one more thing that can fail.
        """
        token = uuid4().hex
        try:
            state = self._admit(token)
        except redis.RedisError:
            return work()
        try:
            return self._watched(work, _Storage(self._redis, self.service, state))
        finally:
            if state != pybreaker.STATE_CLOSED:
                self._release(token)

    def is_open(self) -> bool:
        """Whether a call would be refused, or would be the probe."""
        try:
            return self._redis.hget(keys.breaker(self.service), "state") not in {None, pybreaker.STATE_CLOSED}
        except redis.RedisError:
            return False

    def _admit(self, token: str) -> str:
        state, wait_ms = Script(self._redis, "admit")(
            [keys.breaker(self.service), keys.breaker_probe(self.service)],
            [token, round(self._reset_s * 1000), round(PROBE_S * 1000)],
        )
        if state == "refused":
            raise CircuitOpen(
                f"The service {self.service} failed {FAIL_MAX} times in a row and is left alone for now.",
                retry_after_s=wait_ms / 1000,
            )
        return str(state)

    def _watched(self, work: Callable[[], T], storage: _Storage) -> T:
        done: list[T] = []
        failed: list[BaseException] = []

        def attempt() -> None:
            try:
                done.append(work())
            except BaseException as error:
                failed.append(error)
                # An interruption from our side says nothing about the service.
                storage.frozen = not isinstance(error, KlipError) or isinstance(error, Cancelled)
                raise

        # One object a call: it locks itself while it calls.
        breaker = pybreaker.CircuitBreaker(
            fail_max=FAIL_MAX,
            reset_timeout=0,
            state_storage=storage,
            exclude=[lambda error: not counts_as_failure(error)],
            throw_new_error_on_trip=False,
        )
        try:
            breaker.call(attempt)
        except redis.RedisError:
            # Redis went away after the call: its outcome stands, the breaker misses one.
            if failed:
                raise failed[0] from None
        return done[0]

    def _release(self, token: str) -> None:
        try:
            locks.release(self._redis, keys.breaker_probe(self.service), token=token)
        except redis.RedisError:
            return  # it expires


class Breakers:
    """The breakers of this deployment."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def of(self, service: str) -> CircuitBreaker:
        """The breaker of a service such as `deepgram`, to be called with what to do."""
        return CircuitBreaker(self._redis, service)
