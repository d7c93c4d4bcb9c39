"""The thread that keeps a stage's lease while it works, and interrupts it when it may not go on."""

import contextlib
import faulthandler
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from shared import jobs
from shared.errors import DatabaseError, JobNotFound, KlipError, OutOfMemory, ProcessingTimeout
from shared.jobs import Job, LeaseLost, Refused, utc_now
from shared.log import logger
from shared.redis.store import JobStore

TICK_S = 1.0
REPORT_EVERY_S = 0.2  # no more than five events a second
HEARTBEAT_S = 1.8  # an event at least this often, so that watchers see life within 2 s
UNWIND_S = 3.0  # for work to end whose job was cancelled or given away: whatever it does is in vain
LEAST_FOR_ETA = 0.02  # of the work, and
LEAST_FOR_ETA_S = 1.0  # seconds of it: from less no rate can be told
STDERR = 2

log = logger("klipstream.lease")


class Interrupted(BaseException):
    """Raised in the middle of the work by the keeper's signal; `LeaseKeeper.reason` says why.

    Like KeyboardInterrupt no Exception: libraries that catch those must not swallow it.
    """


class LeaseKeeper(threading.Thread):
    """Keeps one claimed stage. Also the `Progress` callback that the stage calls.

    stall_s: the longest time without a new fraction.  deadline_s: the longest time for all of it.  unwind_s: how long
    work may take to end after it was interrupted for that; what does not end (native code that does not return) ends
    with its process.  memory_bytes: the most that this process may hold.  seconds_after: of the later stages, if known.

    Code that holds the interpreter stops this thread, too. A watchdog that needs no interpreter then ends the process,
    `unwind_s` after the work has stalled, and writes to stderr where every thread was.
    """

    def __init__(
        self,
        store: JobStore,
        job: Job,
        *,
        stall_s: float,
        deadline_s: float,
        unwind_s: float,
        memory_bytes: int,
        seconds_after: float | None,
    ) -> None:
        super().__init__(name=f"keeper-{job.job_id}", daemon=True)
        self.reason: KlipError | LeaseLost | None = None
        self._store, self._job_id, self._token = store, job.job_id, job.token
        self._stall_s, self._deadline_s, self._unwind_s = stall_s, deadline_s, unwind_s
        self._memory_bytes = memory_bytes
        self._seconds_after = seconds_after
        self._began = self._moved_at = time.monotonic()
        self._reported_at = 0.0
        self._fraction = 0.0
        self._stopped = threading.Event()
        self._interrupt = threading.Lock()  # held by whoever may still change the course: see stop()
        self._silent_until = 0.0

    # --- called by the work ---------------------------------------------------------------------------------------

    def __call__(self, fraction: float) -> None:
        """The work has come this far (0-1). Raises what stops it."""
        if self.reason is not None:
            raise self.reason
        now = time.monotonic()
        if fraction > self._fraction:
            self._fraction, self._moved_at = min(fraction, 1.0), now
        if now - self._reported_at >= REPORT_EVERY_S:
            with contextlib.suppress(DatabaseError):  # the work goes on while Redis is away or full
                self._report()

    def expect_silence(self, seconds: float) -> None:
        """What comes next tells nothing for up to so long; only after that the stall time begins."""
        self._moved_at = self._silent_until = time.monotonic() + seconds
        self._set_watchdog()

    def _report(self) -> None:
        self._reported_at = time.monotonic()
        fraction = self._fraction
        eta = eta_seconds(time.monotonic() - self._began, fraction, self._seconds_after)

        def transition(job: Job) -> Job:
            return jobs.report(job, token=self._token, fraction=fraction, eta_seconds=eta, now=utc_now())

        self._store.change(self._job_id, transition)

    @property
    def passed_a_limit(self) -> bool:
        """Whether the work was told to end because it took too much, not because its stage was taken from it."""
        return isinstance(self.reason, KlipError)

    # --- the thread -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """From now on the lease is kept and the limits hold."""
        self._set_watchdog()
        super().start()

    def run(self) -> None:
        """Until `stop`: renew the lease, look at the limits, interrupt the work when it must end."""
        while not self._stopped.wait(TICK_S):
            self._set_watchdog()
            self._check_limits()
            if self.reason is None:
                self._renew()
            if self.reason is not None:
                self._interrupt_the_work()
                return

    def _set_watchdog(self) -> None:
        silent_s = max(0.0, self._silent_until - time.monotonic())
        with self._interrupt:
            if not self._stopped.is_set():
                faulthandler.dump_traceback_later(silent_s + self._stall_s + self._unwind_s, exit=True, file=STDERR)

    def _interrupt_the_work(self) -> None:
        with self._interrupt:
            if self._stopped.is_set():
                return
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        self._await_the_end()
        with self._interrupt:
            if not self._stopped.is_set():
                log.error("stage_killed", job_id=self._job_id, reason=str(self.reason))
                os.kill(os.getpid(), signal.SIGKILL)

    def _await_the_end(self) -> None:
        """Give the work its time to unwind; it keeps the stage meanwhile, unless that is taken from it."""
        deadline = time.monotonic() + self._unwind_s
        while not isinstance(self.reason, LeaseLost) and time.monotonic() < deadline:
            if self._stopped.wait(TICK_S):
                return
            self._set_watchdog()
            self._renew()
        if isinstance(self.reason, LeaseLost):
            self._stopped.wait(UNWIND_S)

    def _check_limits(self) -> None:
        now = time.monotonic()
        if _most_memory_bytes() > self._memory_bytes:
            self.reason = OutOfMemory(f"The stage needed more than {self._memory_bytes >> 20} MiB of memory.")
        elif now - self._moved_at > self._stall_s:
            self.reason = ProcessingTimeout(f"The stage stood still for {self._stall_s:.0f} s.")
        elif now - self._began > self._deadline_s:
            self.reason = ProcessingTimeout(f"The stage took longer than {self._deadline_s:.0f} s.")

    def _renew(self) -> None:
        try:
            if not self._store.renew_lease(self._job_id, self._token):
                self.reason = LeaseLost("the lease was lost")
            elif time.monotonic() - self._reported_at >= HEARTBEAT_S:
                self._report()
        except (LeaseLost, JobNotFound, Refused) as error:
            self.reason = LeaseLost(str(error))
        except DatabaseError:
            return  # Redis is away; the lease can be taken up again while nobody else was given the stage

    def stop(self) -> None:
        """No interruption comes after this returns."""
        with self._interrupt:
            self._stopped.set()
            faulthandler.cancel_dump_traceback_later()


def eta_seconds(elapsed_s: float, fraction: float, seconds_after: float | None) -> int | None:
    """Seconds until the job is done; None when unknown.

    The stage goes on at the rate at which `fraction` of it took `elapsed_s`; the later stages take `seconds_after`.
    """
    if seconds_after is None or fraction < LEAST_FOR_ETA or elapsed_s < LEAST_FOR_ETA_S:
        return None
    return round(elapsed_s * (1 - fraction) / fraction + seconds_after)


def _most_memory_bytes() -> int:
    """The most that this process has held so far. After a task that took much Celery replaces the process."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _raise_interrupted(_signal: int, _frame: FrameType | None) -> None:
    raise Interrupted


@contextmanager
def keeping(keeper: LeaseKeeper) -> Iterator[None]:
    """Run the keeper beside the work in this, the main thread."""
    before = signal.signal(signal.SIGUSR1, _raise_interrupted)
    keeper.start()
    try:
        yield
    finally:
        keeper.stop()
        signal.signal(signal.SIGUSR1, before)
