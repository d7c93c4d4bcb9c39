"""The thread that keeps a stage's lease while it works, and interrupts it when it may not go on."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from shared import jobs
from shared.errors import DatabaseError, JobNotFound, KlipError, ProcessingTimeout
from shared.jobs import Job, LeaseLost, Refused, utc_now
from shared.store import JobStore

TICK_S = 1.0
REPORT_EVERY_S = 0.2  # no more than five events a second
HEARTBEAT_S = 1.8  # an event at least this often, so that watchers see life within 2 s


class Interrupted(Exception):
    """Raised in the middle of the work by the keeper's signal; `Keeper.reason` says why."""


class Keeper(threading.Thread):
    """Keeps one claimed stage. Also the `Progress` callback that the stage calls.

    stall_s: the longest time without a new fraction.  deadline_s: the longest time for all of it.
    """

    def __init__(
        self, store: JobStore, job: Job, *, stall_s: float, deadline_s: float, seconds_after: float | None
    ) -> None:
        super().__init__(name=f"keeper-{job.job_id}", daemon=True)
        self.reason: KlipError | LeaseLost | None = None
        self._store, self._job_id, self._token = store, job.job_id, job.token
        self._stall_s, self._deadline_s = stall_s, deadline_s
        self._seconds_after = seconds_after
        self._began = self._moved_at = time.monotonic()
        self._reported_at = 0.0
        self._fraction = 0.0
        self._stopped = threading.Event()
        self._interrupt = threading.Lock()  # held by whoever may still change the course: see stop()

    # --- called by the work ---------------------------------------------------------------------------------------

    def __call__(self, fraction: float) -> None:
        """The work has come this far (0-1). Raises what stops it."""
        if self.reason is not None:
            raise self.reason
        now = time.monotonic()
        if fraction > self._fraction:
            self._fraction, self._moved_at = min(fraction, 1.0), now
        if now - self._reported_at >= REPORT_EVERY_S:
            self._report()

    def expect_silence(self, seconds: float) -> None:
        """What comes next tells nothing for up to so long; only after that the stall time begins."""
        self._moved_at = time.monotonic() + seconds

    def _report(self) -> None:
        self._reported_at = time.monotonic()
        fraction, eta = self._fraction, self._eta_seconds()

        def transition(job: Job) -> Job:
            return jobs.report(job, token=self._token, fraction=fraction, eta_seconds=eta, now=utc_now())

        self._store.change(self._job_id, transition)

    def _eta_seconds(self) -> int | None:
        """This stage at its measured rate, and the later ones at that of earlier jobs; None when unknown."""
        elapsed = time.monotonic() - self._began
        if self._seconds_after is None or self._fraction < 0.02 or elapsed < 1:
            return None
        return round(elapsed * (1 - self._fraction) / self._fraction + self._seconds_after)

    # --- the thread -----------------------------------------------------------------------------------------------

    def run(self) -> None:
        while not self._stopped.wait(TICK_S):
            self._check_time()
            if self.reason is None:
                self._renew()
            if self.reason is not None:
                with self._interrupt:
                    if not self._stopped.is_set():
                        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
                return

    def _check_time(self) -> None:
        now = time.monotonic()
        if now - self._moved_at > self._stall_s:
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


def _raise_interrupted(_signal: int, _frame: FrameType | None) -> None:
    raise Interrupted


@contextmanager
def kept(keeper: Keeper) -> Iterator[None]:
    """Run the keeper beside the work in this, the main thread."""
    before = signal.signal(signal.SIGUSR1, _raise_interrupted)
    keeper.start()
    try:
        yield
    finally:
        keeper.stop()
        signal.signal(signal.SIGUSR1, before)
