"""Files of a far store, kept on this machine while they are likely to be asked for again."""

import contextlib
import fcntl
import os
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path, PurePosixPath

from shared.atomic import TEMPORARY

DEFAULT_LIMIT_BYTES = 20 * 2**30
KEPT_UNUSED_S = 7 * 24 * 3600
LEFT_BEHIND_S = 24 * 3600  # a download this old died with its process
PINNED_GROUPS = 4  # a process works on one job at a time; the web on a few


class FileCache:
    """At most `limit_bytes` in `root`, the least recently used out first, shared by the processes of a machine.

    What a process was given stays as long as the process lives or until it has asked for the files of PINNED_GROUPS
    other groups, even if the limit is passed by it.  The file system's errors are left to the caller.
    """

    def __init__(self, root: Path, *, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self.root, self.limit_bytes = root, limit_bytes
        self._lock = threading.Lock()
        self._pins: OrderedDict[str, dict[Path, int]] = OrderedDict()

    def get(self, key: str, *, group: str, fill: Callable[[Path], None], check: Callable[[Path], bool]) -> Path:
        """The file of `key`, filled by `fill` when it is not there or `check` does not accept it any more.

        Other processes find it only when it is whole.
        """
        path = self._path(key)
        if self._is_pinned(group, path):
            return path
        if self._pin(group, path):
            if check(path):
                os.utime(path)
                return path
            self._unpin(group, path)
            path.unlink(missing_ok=True)
        while True:
            with self._temporary(path) as temporary:
                fill(temporary)
                temporary.replace(path)
            # Another process may have thrown it out again before it was ours.
            if self._pin(group, path):
                self._shrink()
                return path

    def adopt(self, key: str, source: Path) -> None:
        """Take a file that was just stored over from `source`; on another disk it is left where it is."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError):
            source.replace(path)
            os.utime(path)
        self._shrink()

    def tidy(self) -> None:
        """Remove what nobody has asked for in KEPT_UNUSED_S, what dead processes left, and what passes the limit."""
        if self.root.is_dir():
            self._shrink(unused_since=time.time() - KEPT_UNUSED_S)

    def _path(self, key: str) -> Path:
        return self.root / f"{sha256(key.encode()).hexdigest()}-{PurePosixPath(key).name}"

    @contextmanager
    def _temporary(self, path: Path) -> Iterator[Path]:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=TEMPORARY) as folder:
            yield Path(folder) / path.name

    # --- pins: a shared lock on the open file, given back by the system if the process dies ---------------------------

    def _is_pinned(self, group: str, path: Path) -> bool:
        with self._lock:
            if path not in self._pins.get(group, {}):
                return False
            self._pins.move_to_end(group)
            return True

    def _pin(self, group: str, path: Path) -> bool:
        """Whether the file is there, and now stays."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if os.fstat(descriptor).st_nlink == 0:
            os.close(descriptor)
            return False
        with self._lock:
            if path in self._pins.setdefault(group, {}):
                os.close(descriptor)
            else:
                self._pins[group][path] = descriptor
            self._pins.move_to_end(group)
            old = [self._pins.popitem(last=False)[1] for _ in range(len(self._pins) - PINNED_GROUPS)]
        for pins in old:
            for given_back in pins.values():
                os.close(given_back)
        return True

    def _unpin(self, group: str, path: Path) -> None:
        with self._lock:
            descriptor = self._pins.get(group, {}).pop(path, None)
        if descriptor is not None:
            os.close(descriptor)

    # --- the limit ----------------------------------------------------------------------------------------------------

    def _shrink(self, *, unused_since: float = 0.0) -> None:
        files = []
        for path in self.root.iterdir():
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                if path.is_file():
                    files.append((status.st_mtime_ns, status.st_size, path))
                elif time.time() - status.st_mtime > LEFT_BEHIND_S:
                    shutil.rmtree(path, ignore_errors=True)
        total = sum(size for _, size, _ in files)
        for used_ns, size, path in sorted(files):
            if total <= self.limit_bytes and used_ns >= unused_since * 1e9:
                return
            if _remove_if_unused(path):
                total -= size


def _remove_if_unused(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
