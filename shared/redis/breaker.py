"""Circuit breakers, one for each thing that can be down, shared by all workers.

A breaker opens on evidence that its service is down for everybody. A failure counts once a second for what the calls
are about (a job, or the VOD that several jobs want), however many requests it makes at once, and a success in between
starts the count again. FAIL_MAX of them open it when at least two were about different things; or when all were about
one, on calls that any job makes alike, and nobody else was served meanwhile. So a VOD, file or recording that its
service can't give out fails by itself.

pybreaker is not used: it counts calls, not evidence, and its storage in Redis lets every process probe at once.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, NamedTuple, Protocol, TypeVar
from uuid import uuid4

import redis

from shared.errors import Cancelled, CircuitOpen, ErrorType, KlipError
from shared.log import logger
from shared.net.edges import never_connected
from shared.redis import keys, locks
from shared.redis.script import Script

FAIL_MAX = 5  # failures in a row that count
COUNTS_EVERY_S = 1.0  # for what the calls are about
EVIDENCE_S = 120.0  # a row of failures with a longer pause in it is none
SERVED_S = 30.0  # so long one who was served speaks against the failures of another
RESET_S = 60.0  # from opening to the probe
OTHERS_FIRST_S = 5.0  # what has failed already probes only when nobody else does
PROBE_S = 10.0  # a probe whose process died keeps the next one waiting so long
KEPT_S = 7 * 24 * 3600.0  # figures of a service that nothing was noted about since
SERVICE_FAILURES = frozenset({ErrorType.NETWORK_ERROR, ErrorType.EXTERNAL_SERVICE_ERROR, ErrorType.PROCESSING_TIMEOUT})
CLOSED = "closed"

_REPORTED = (keys.breaker, keys.breaker_evidence, keys.breaker_served, keys.breaker_probe)

T = TypeVar("T")
Outcome = Literal["well", "failed", "unknown"]
log = logger("klipstream.breaker")


class Call(Protocol):
    """Calls `work` under the protection of something.

    probe: a cheap call to the same service, to be made first when nobody knows whether it works again.
    """

    def __call__(self, work: Callable[[], T], /, *, probe: Callable[[], object] | None = None) -> T: ...


class Calls(Protocol):
    """The `Call` for requests to one service. shared: whether any job makes just this call."""

    def __call__(self, service: str, /, *, shared: bool = False) -> Call: ...


CallFor = Callable[[str], Call]  # by what is asked: an address, an operation


def unguarded(work: Callable[[], T], /, *, probe: Callable[[], object] | None = None) -> T:
    """A `Call` that just calls."""
    return work()


def all_unguarded(_service: str, /, *, shared: bool = False) -> Call:
    """`Calls` that just call."""
    return unguarded


def counts_as_failure(error: BaseException) -> bool:
    """Whether `error` says that the service is unwell. A refusal shows that it works."""
    return isinstance(error, KlipError) and error.error_type in SERVICE_FAILURES and error.retryable


def _outcome(error: BaseException) -> Outcome:
    if not isinstance(error, KlipError) or isinstance(error, Cancelled):
        return "unknown"  # an interruption from our side says nothing about the service
    return "failed" if counts_as_failure(error) else "well"


class _Admission(NamedTuple):
    """token: of the probe, empty when the breaker is closed."""

    token: str


class CircuitBreaker:
    """A `Call` that asks the breaker of one service.

    about: what the calls are about; failures about one thing alone open nothing for others, unless the calls are
    `shared`: such as any job makes. A connection that could not be made at all is always such a call.
    """

    def __init__(
        self, client: redis.Redis, service: str, *, about: str, shared: bool = False, reset_s: float = RESET_S
    ) -> None:
        self._redis, self.service, self._about, self._shared, self._reset_s = client, service, about, shared, reset_s

    def __call__(self, work: Callable[[], T], /, *, probe: Callable[[], object] | None = None) -> T:
        """`work()`. Raises CircuitOpen without calling it while the service is left alone.

        With Redis away the call goes through: a breaker must not be one more thing that can fail.
        """
        try:
            admission = self._admit()
        except redis.RedisError:
            return work()
        if admission.token and probe is not None:
            self._watched(probe, admission)
            admission = _Admission("")
        return self._watched(work, admission)

    def _watched(self, work: Callable[[], T], admission: _Admission) -> T:
        try:
            with self._kept(admission):
                done = work()
        except BaseException as error:
            self._report(admission, _outcome(error), shared=self._shared or never_connected(error))
            raise
        self._report(admission, "well", shared=self._shared)
        return done

    def is_open(self) -> bool:
        """Whether a call would be refused, or would be the probe."""
        try:
            return self._redis.hget(keys.breaker(self.service), "state") not in {None, CLOSED}
        except redis.RedisError:
            return False

    def _admit(self) -> _Admission:
        token = uuid4().hex
        times = [self._reset_s, PROBE_S, OTHERS_FIRST_S, KEPT_S]
        state, wait_ms, alone = Script(self._redis, "admit")(
            [key(self.service) for key in (keys.breaker, keys.breaker_evidence, keys.breaker_probe)],
            [self._about, token, *map(_ms, times)],
        )
        if state == "refused":
            raise CircuitOpen(
                f"The service {self.service} failed {FAIL_MAX} times in a row and is left alone for now.",
                retry_after_s=wait_ms / 1000,
                alone=bool(alone),
            )
        if state == "open":
            log.warning("breaker_probing", service=self.service, about=self._about)
        return _Admission("" if state == CLOSED else token)

    def _kept(self, admission: _Admission) -> AbstractContextManager[None]:
        """Inside, the probe's key stays ours, however long the call takes."""
        if not admission.token:
            return nullcontext()
        key = keys.breaker_probe(self.service)
        return locks.renewed(self._redis, key, token=admission.token, life_s=PROBE_S)

    def _report(self, admission: _Admission, outcome: Outcome, *, shared: bool) -> None:
        if outcome == "unknown" and not admission.token:
            return
        times = [COUNTS_EVERY_S, EVIDENCE_S, SERVED_S, KEPT_S]
        try:
            event = Script(self._redis, "report")(
                [*(key(self.service) for key in _REPORTED), keys.BREAKERS],
                [self._about, admission.token, outcome, int(shared), FAIL_MAX, *map(_ms, times), self.service],
            )
        except redis.RedisError:
            return  # the call's outcome stands, the breaker misses one; a probe's key expires
        if event:
            log.warning(event, service=self.service, about=self._about)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


class Breakers:
    """The breakers of this deployment."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def of(self, service: str, /, *, about: str, shared: bool = False) -> CircuitBreaker:
        """The breaker of a service such as `deepgram`, to be called with what to do; see `CircuitBreaker`."""
        return CircuitBreaker(self._redis, service, about=about, shared=shared)

    def about(self, about: str) -> Calls:
        """The breakers of all services, for calls about one thing."""

        def of(service: str, /, *, shared: bool = False) -> Call:
            return self.of(service, about=about, shared=shared)

        return of
