"""Folders that the processes of one machine work in: as long as one of them does, nobody removes the folder.

Who works there has a shared lock on it, which the system takes back from a process that dies; who removes it needs the
lock alone. Containers of one machine that share a disk see each other's locks; their process ids would tell nothing.
"""

import errno
import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path

MAX_TRIES = 1_000
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def occupy(folder: Path) -> int:
    """Make the folder if it is not there. It stays until the descriptor that is returned is closed. Raises OSError."""
    for tries_left in reversed(range(MAX_TRIES)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder, _OPEN)
        except (FileExistsError, FileNotFoundError):  # somebody removes it, or the empty one above, in this moment
            if not tries_left:
                raise
            continue
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if _is_still_at(descriptor, folder):
            return descriptor
        os.close(descriptor)
    raise FileNotFoundError(errno.ENOENT, "The folder is removed faster than it can be made", str(folder))


def remove_unless_occupied(folder: Path) -> bool:
    """Whether the folder is gone, with all that was in it, and the one above it if it was the last there."""
    try:
        descriptor = os.open(folder, _OPEN)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _is_still_at(descriptor, folder):
            return False
        shutil.rmtree(folder, ignore_errors=True)
    except OSError:  # somebody works there, or the disk knows no locks
        return False
    finally:
        os.close(descriptor)
    with suppress(OSError):
        folder.parent.rmdir()
    return not folder.exists()


def _is_still_at(descriptor: int, folder: Path) -> bool:
    """Whether the path still leads to the folder that was opened."""
    try:
        return os.path.samestat(os.fstat(descriptor), folder.stat())
    except FileNotFoundError:
        return False
