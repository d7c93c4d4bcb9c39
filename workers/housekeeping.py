"""What dead processes and ended jobs left in this machine's DATA_DIR, removed from time to time.

A machine whose process was killed may never see the job again: it goes on elsewhere, or nowhere.
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Thread

from shared.artifacts.cache import FileCache
from shared.errors import JobNotFound, KlipError
from shared.jobs import Job
from shared.log import logger
from shared.redis.store import JobStore
from shared.settings import Settings
from shared.work_folder import remove_unless_occupied

EVERY_S = 600.0
EVERY_AT_START_S = 60.0  # every process of every pool asks when it starts
LEFT_BEHIND_S = 24 * 3600  # what an earlier attempt left of a later stage may be of use for so long

log = logger("klipstream.housekeeping")


def start_if_due(config: Settings, store: JobStore, *, every_s: float = EVERY_S) -> Thread | None:
    """Clean beside the caller's work, unless a process of this machine did within `every_s`.

    For processes that do not fork. Takes microseconds and raises nothing; what goes wrong is logged.
    """
    if not _is_due(config.data_dir, every_s):
        return None
    thread = Thread(target=clean_if_due, args=(config, store), kwargs={"every_s": every_s}, daemon=True)
    thread.start()
    return thread


def clean_if_due(config: Settings, store: JobStore, *, every_s: float = EVERY_S) -> bool:
    """Whether it was this process's turn to clean."""
    with _turn(config.data_dir, every_s) as is_ours:
        if is_ours:
            clean(config, store)
        return is_ours


def clean(config: Settings, store: JobStore) -> None:
    """Remove what is left of ended jobs and finished stages, and what the cache keeps in vain. Errors are logged."""
    cache = FileCache(config.data_dir / "cache")
    for part in (cache.tidy, partial(_clean_work, config.data_dir / "work", store)):
        try:
            part()
        except (OSError, KlipError) as error:
            log.warning("housekeeping_failed", reason=str(error))


# --- whose turn it is -------------------------------------------------------------------------------------------------


def _stamp(data_dir: Path) -> Path:
    """A file whose time is that of the last cleaning."""
    return data_dir / "run" / "housekeeping"


def _is_due(data_dir: Path, every_s: float) -> bool:
    try:
        return not 0 <= time.time() - _stamp(data_dir).stat().st_mtime < every_s
    except OSError:
        return True


@contextmanager
def _turn(data_dir: Path, every_s: float) -> Iterator[bool]:
    """Whether nobody else on this machine cleans now or did within `every_s`; if so nobody else does meanwhile."""
    stamp = _stamp(data_dir)
    try:
        stamp.parent.mkdir(parents=True, exist_ok=True)
        lock = stamp.with_suffix(".lock").open("w")
    except OSError as error:
        log.warning("housekeeping_failed", reason=str(error))
        yield False
        return
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        is_ours = _is_due(data_dir, every_s)
        if is_ours:
            stamp.touch()
        yield is_ours


# --- the folders of stages --------------------------------------------------------------------------------------------


def _clean_work(work: Path, store: JobStore) -> None:
    removed = 0
    for job_folder in _folders_in(work):
        job = _job_of(job_folder, store)
        removed += sum(_is_left(folder, job) and remove_unless_occupied(folder) for folder in _folders_in(job_folder))
        with suppress(OSError):
            job_folder.rmdir()  # when nothing is in it
    if removed:
        log.info("work_folders_removed", count=removed)


def _folders_in(folder: Path) -> list[Path]:
    with suppress(FileNotFoundError):
        return [path for path in folder.iterdir() if path.is_dir()]
    return []


def _job_of(folder: Path, store: JobStore) -> Job | None:
    try:
        return store.get(folder.name)
    except JobNotFound:
        return None


def _is_left(folder: Path, job: Job | None) -> bool:
    """Whether no stage will go on with what is in its folder. Whether one still works there tells its lock."""
    if job is None or job.is_terminal or folder.name in job.stages_done:
        return True
    return folder.name != job.stage and time.time() - _touched_at(folder) > LEFT_BEHIND_S


def _touched_at(folder: Path) -> float:
    """When the latest change was made in the folder or below, in seconds after 1970."""
    times = [folder.stat().st_mtime]
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            times.append(path.stat().st_mtime)
    return max(times)
