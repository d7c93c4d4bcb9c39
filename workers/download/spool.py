"""A body on its way, in a file rather than in memory: what a process holds does not grow with the size of a segment."""

import errno
import os
import weakref
from collections.abc import Callable
from pathlib import Path
from tempfile import mkstemp
from typing import IO

from shared.errors import VideoSizeExceeded
from workers.download.ledger import disk_errors

MAX_BODY_BYTES = 256 * 2**20
COPY_BYTES = 2**20
# What the kernel says when it can't copy between these two files itself.
NOT_BETWEEN_THESE = frozenset({errno.ENOSYS, errno.EXDEV, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF, errno.EPERM})


class Spool:
    """One body after the other in a file without a name, which goes with the process.

    The file is written over again and again: its pages are in the kernel's cache already.
    """

    def __init__(self, folder: Path) -> None:
        with disk_errors():
            self._fd, name = mkstemp(dir=folder)
            Path(name).unlink()
        # Not before the last thread that may write has let go: the number could be another file's by then.
        self._closed = weakref.finalize(self, os.close, self._fd)
        self._start = self.size = 0
        self.gives_way = False  # whoever fills it is asked to stop

    def __len__(self) -> int:
        return self.size

    def begin(self) -> None:
        """Forget what is in it."""
        self._start = self.size = 0

    def add(self, chunk: bytes) -> None:
        """Raises VideoSizeExceeded, InsufficientStorage."""
        if self.size + len(chunk) > MAX_BODY_BYTES:
            raise VideoSizeExceeded("A segment of the video is far too large.")
        view = memoryview(chunk)
        with disk_errors():
            while view:
                written = os.pwrite(self._fd, view, self._start + self.size)
                self.size += written
                view = view[written:]

    def cut(self, offset: int, length: int) -> None:
        """Keep a range: for servers that ignore what range was asked for."""
        self._start += offset
        self.size = max(0, min(length, self.size - offset))

    def read_at(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes from `offset` on, fewer at the end."""
        return os.pread(self._fd, max(0, min(count, self.size - offset)), self._start + offset)

    def copy_into(self, target: IO[bytes]) -> None:
        """Write all of it where `target`, which is not open to append, stands. Raises what the disk raises."""
        target.flush()
        place = target.tell()
        copied = self._copy_in_the_kernel(target.fileno(), place)
        for offset in range(copied, self.size, COPY_BYTES):
            target.seek(place + offset)
            target.write(self.read_at(offset, COPY_BYTES))
        target.seek(place + self.size)

    def _copy_in_the_kernel(self, target: int, place: int) -> int:
        """How many bytes were copied: all, or those after which the kernel can't."""
        copy: Callable[..., int] | None = getattr(os, "copy_file_range", None)
        copied = 0
        while copy is not None and copied < self.size:
            try:
                some = copy(self._fd, target, self.size - copied, self._start + copied, place + copied)
            except OSError as error:
                if error.errno not in NOT_BETWEEN_THESE:
                    raise
                return copied
            if some == 0:
                return copied
            copied += some
        return copied

    def close(self) -> None:
        """For whoever knows that nobody else uses it; else it closes by itself."""
        self._closed()
