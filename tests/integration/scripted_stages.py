"""Stages that do what the job's URL tells them, for the tests of what all stages have in common.

`celery -A tests.integration.scripted_stages worker`: the real app, queues and `@stage`; only the work is scripted.
The URL is JSON: {"stage name": [action, ...]}, one action a delivery of that stage; none left means success.
"""

import ctypes
import json
import os
import signal
import threading
import time

from shared.errors import NetworkTimeout, UnsupportedFormat
from shared.jobs import Job
from shared.progress import Progress
from shared.stages import STAGES
from tasks import delivery, reaper
from tasks.stage import Limits, stage
from tasks.workspace import Outcome, Workspace
from workers.app import TASK_MODULES, app, job_store

__all__ = ["app", "delivery", "reaper"]
TASK_MODULES.clear()
# As in production a child is replaced, in KiB, below what a stage may hold: see MEMORY_BYTES.
app.conf.worker_max_memory_per_child = 400_000

WORK_S = 60.0
SHORT_WORK_S = 6.0
MEMORY_BYTES = 1 << 29
ERRORS = {
    "network": NetworkTimeout("The script says so."),
    "unreadable": UnsupportedFormat("The script says so."),
    "bug": ZeroDivisionError("/secret/path"),
}


def runs_key(job_id: str, name: str) -> str:
    return f"test:runs:{job_id}:{name}"


def pids_key(job_id: str, name: str) -> str:
    """The processes that have run the stage."""
    return f"test:pids:{job_id}:{name}"


def _deadlock(library: ctypes.CDLL) -> None:
    """Wait in the C library for ever, whatever signals come. A `PyDLL` holds the interpreter meanwhile."""
    mutex = ctypes.create_string_buffer(256)
    library.pthread_mutex_lock(mutex)
    library.pthread_mutex_lock(mutex)


def _hang_natively(action: str, report: Progress) -> None:
    report(0.5)
    if action == "hang in C":
        _deadlock(ctypes.CDLL(None))
    if action == "hang in C with the interpreter":
        _deadlock(ctypes.PyDLL(None))
    if action == "hang in a thread in C":
        # As CTranslate2's: the work looks after it and tells how far it is.
        threading.Thread(target=_deadlock, args=(ctypes.CDLL(None),), daemon=True).start()
        while True:
            time.sleep(0.1)
            report(0.5)


def _act(action: str, report: Progress) -> None:
    if action in ERRORS:
        raise ERRORS[action]
    if action == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if action == "stand still":
        time.sleep(WORK_S)
    if action == "eat memory":
        eaten = bytearray(MEMORY_BYTES)
        eaten[::4096] = bytes([1]) * len(eaten[::4096])
        time.sleep(WORK_S)
    if action == "deaf":
        # As native code that does not come back to the interpreter.
        report(0.5)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        time.sleep(WORK_S)
    if action.startswith("hang"):
        _hang_natively(action, report)
    if action in {"work", "work a little"}:
        length_s = WORK_S if action == "work" else SHORT_WORK_S
        began = time.monotonic()
        while (elapsed := time.monotonic() - began) < length_s:
            report(elapsed / length_s)
            time.sleep(0.05)


def _scripted(name: str) -> None:
    @stage(name, limits=Limits(stall_s=2, unwind_s=4, memory_bytes=MEMORY_BYTES))
    def work(job: Job, work: Workspace, report: Progress) -> Outcome:
        """Do what the job's script says."""
        run = int(job_store().redis.incr(runs_key(job.job_id, name)))
        job_store().redis.rpush(pids_key(job.job_id, name), os.getpid())
        actions = json.loads(job.url).get(name, [])
        if run <= len(actions):
            _act(actions[run - 1], report)
        report(1.0)
        (work.folder / f"{name}.txt").write_text(f"made by {name}")
        return Outcome(files=(f"{name}.txt",), warnings=(f"{name} was scripted",))


for row in STAGES:
    _scripted(row.name)
