"""What has been fetched: bytes appended to run files, and a ledger line for each finished segment.

A run is a stretch of segments that one demuxer can read in one go; a new one begins at a discontinuity and where the
initialisation (EXT-X-MAP) changes. After a kill the ledger says what is whole; what lies behind it is cut off.
"""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import IO, Literal, NamedTuple, Protocol, Self

from shared.atomic import written_whole
from shared.errors import InsufficientStorage
from shared.net.edges import shortage
from workers.download.playlist import Segment

LEDGER = "ledger.jsonl"
CHECK_SPACE_EVERY_BYTES = 32 * 2**20
Kind = Literal["ok", "muted", "missing"]


class Body(Protocol):
    """What was fetched of a segment."""

    def __len__(self) -> int: ...

    def copy_into(self, target: IO[bytes]) -> None: ...


class Entry(NamedTuple):
    """One finished segment: `size` bytes at `offset` of its run's file, 0 bytes when it is missing."""

    number: int
    kind: Kind
    run: int
    offset: int
    size: int


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turns a full disk into InsufficientStorage, and what else the machine has run out of into its error."""
    try:
        yield
    except OSError as error:
        if (short := shortage(error)) is not None:
            raise short from error
        raise


def check_space(folder: Path, *, needed_bytes: int, min_free_bytes: int) -> None:
    """Raise InsufficientStorage unless `needed_bytes` fit and `min_free_bytes` stay free."""
    if shutil.disk_usage(folder).free < needed_bytes + min_free_bytes:
        raise InsufficientStorage


def fingerprint(rendition: str, segments: Sequence[Segment]) -> str:
    """Names a rendition's segments, so that a ledger of other ones is never gone on with."""
    digest = sha256(rendition.encode())
    for segment in segments:
        path = segment.media.url.partition("?")[0].rpartition("/")[2]
        digest.update(f"\n{path} {segment.seconds:.6f} {segment.media.offset}".encode())
    return digest.hexdigest()


class SegmentStore:
    """Appends fetched segments, in order, to the files of `folder`; a context manager."""

    def __init__(self, folder: Path, *, key: str, min_free_bytes: int) -> None:
        self.entries: list[Entry] = []
        self._folder = folder
        self._key = key
        self._min_free = min_free_bytes
        self._unchecked = 0
        self._data: IO[bytes] | None = None
        self._run = -1
        self._offset = 0

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._load()
        with disk_errors():
            self._ledger = (self._folder / LEDGER).open("a", encoding="utf-8")
        return self

    def __exit__(self, *_exc: object) -> None:
        self._ledger.close()
        if self._data is not None:
            self._data.close()

    def path(self, run: int) -> Path:
        """The file of a run."""
        return self._folder / f"run-{run:05d}.bin"

    def append(self, number: int, kind: Kind, body: Body, *, run: int, init: bytes = b"") -> None:
        """Write one segment; `init` precedes the first one of its run. Raises InsufficientStorage."""
        with disk_errors():
            file = self._open(run)
            if self._offset == 0 and init and len(body):
                self._offset += file.write(init)
            offset = self._offset
            body.copy_into(file)
            self._offset += len(body)
            file.flush()
            entry = Entry(number, kind, run, offset, len(body))
            self._ledger.write(json.dumps(entry) + "\n")
            self._ledger.flush()
        self.entries.append(entry)
        self._unchecked += len(body)
        if self._unchecked >= CHECK_SPACE_EVERY_BYTES:
            self._unchecked = 0
            check_space(self._folder, needed_bytes=0, min_free_bytes=self._min_free)

    def _open(self, run: int) -> IO[bytes]:
        if self._data is None or run != self._run:
            if self._data is not None:
                self._data.close()
            path = self.path(run)
            path.touch()
            self._data = path.open("r+b")  # not to append: the kernel copies between files only where both stand
            self._run, self._offset = run, self._data.seek(0, os.SEEK_END)
        return self._data

    def _load(self) -> None:
        """Take over what an earlier try finished, as far as the files really hold it."""
        lines = _lines(self._folder / LEDGER)
        if not lines or lines[0] != self._key:
            self._start_over()
            return
        for line in lines[1:]:
            entry = _entry(line, expected=len(self.entries))
            if entry is None or not self._holds(entry):
                break
            self.entries.append(entry)
        self._rewrite()

    def _holds(self, entry: Entry) -> bool:
        path = self.path(entry.run)
        return entry.size == 0 or (path.exists() and path.stat().st_size >= entry.offset + entry.size)

    def _start_over(self) -> None:
        for path in self._folder.glob("run-*.bin"):
            path.unlink()
        self._rewrite()

    def _rewrite(self) -> None:
        """Make ledger and files agree: nothing behind the last whole segment."""
        ends: dict[int, int] = {}
        for entry in self.entries:
            ends[entry.run] = max(ends.get(entry.run, 0), entry.offset + entry.size)
        for path in self._folder.glob("run-*.bin"):
            end = ends.get(int(path.stem.removeprefix("run-")), 0)
            if end:
                with path.open("r+b") as file:
                    file.truncate(end)
            else:
                path.unlink()
        with disk_errors(), written_whole(self._folder / LEDGER) as temporary:
            lines = [json.dumps(self._key), *(json.dumps(entry) for entry in self.entries)]
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _lines(path: Path) -> list[object]:
    """The parsed lines of a ledger, up to the first torn one."""
    if not path.exists():
        return []
    found: list[object] = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
        try:
            found.append(json.loads(line) if line.endswith("\n") else None)
        except ValueError:
            break
    return found


def _entry(line: object, *, expected: int) -> Entry | None:
    if not isinstance(line, list) or len(line) != len(Entry._fields) or line[0] != expected:
        return None
    return Entry(*line)
