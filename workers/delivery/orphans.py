"""Files in an artifact folder that belong to nobody: of jobs that the database does not know, of writers that died.

In a bucket a lifecycle rule does this better than a process that lists it all.
"""

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from shared.artifacts.store import storage_errors
from shared.atomic import TEMPORARY
from shared.errors import JobNotFound
from shared.log import logger
from shared.redis.store import JobStore

HALF_WRITTEN_S = 24 * 3600  # a file that is still half written after so long died with its writer
WORK_FOR_S = 300.0  # the rest waits for the next run
# Only what looks like ours is ever touched: ARTIFACTS_URL may name a folder that others use too.
_JOB_ID = re.compile(r"[0-9a-f]{32}")

log = logger("klipstream.retention")


def remove_orphans(store: JobStore, root: Path, *, days: float) -> int:
    """How many folders of unknown jobs were removed: those in which nothing has changed for `days`.

    Raises StorageServiceError, PermissionDenied; DatabaseError before anything is removed that only the database knows.
    """
    deadline = time.monotonic() + WORK_FOR_S
    removed = 0
    with storage_errors():
        for folder in _job_folders(root):
            if time.monotonic() > deadline:
                break
            touched_at = _remove_half_written(folder)
            if time.time() - touched_at > days * 86_400 and not _is_known(store, folder.name):
                shutil.rmtree(folder, ignore_errors=True)
                removed += 1
    if removed:
        log.info("orphans_removed", count=removed)
    return removed


def _job_folders(root: Path) -> Iterator[Path]:
    if root.is_dir():
        yield from (path for path in root.iterdir() if _JOB_ID.fullmatch(path.name) and path.is_dir())


def _remove_half_written(folder: Path) -> float:
    """When the latest change was made in the folder, in seconds after 1970."""
    touched_at = 0.0
    for path in (folder, *folder.rglob("*")):
        with suppress(FileNotFoundError):
            changed_at = path.stat().st_mtime
            if path.name.startswith(TEMPORARY) and time.time() - changed_at > HALF_WRITTEN_S:
                path.unlink()
            touched_at = max(touched_at, changed_at)
    return touched_at


def _is_known(store: JobStore, job_id: str) -> bool:
    try:
        store.get(job_id)
    except JobNotFound:
        return False
    return True
