"""Files to disk: never more than was promised, resumed where it broke, in place only when its checksum is right."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from .answers import Manifest, ManifestEntry
from .errors import ApiError, DamagedDownload, Unreachable
from .retrying import may_ask_again

MAX_DOWNLOAD_BYTES = 64 << 30
FRUITLESS_AT_MOST = 8  # requests in a row that brought nothing
CHUNK_BYTES = 1 << 20
AGAIN_AFTER_S = 1.0
PARTIAL = 206


def target_of(name: str, target: Path) -> Path:
    """Where the file goes: `target`, or below it when that is a folder."""
    return target / Path(name).name if target.is_dir() else target


def entry_of(manifest: Manifest, name: str) -> ManifestEntry | None:
    """What the manifest says about the file; None when there is no such file. Raises DamagedDownload."""
    entry = manifest["files"].get(name)
    if entry is not None and not (isinstance(entry.get("size"), int) and isinstance(entry.get("sha256"), str)):
        raise DamagedDownload("the manifest can't be read")
    return entry


class Download:
    """One file on its way to `target`; what has arrived is in `target`.part, also for a later process.

    Raises DamagedDownload when the file is larger than max_bytes.
    """

    def __init__(self, entry: ManifestEntry, target: Path, *, max_bytes: int) -> None:
        if entry["size"] > max_bytes:
            raise DamagedDownload(f"the file has {entry['size']} bytes, more than the {max_bytes} that are taken")
        self._size, self._sha256 = entry["size"], entry["sha256"]
        self._target = target
        self._part = target.with_name(f"{target.name}.part")
        self._furthest = -1
        self._fruitless = 0
        self._has_restarted = False

    def is_complete(self) -> bool:
        """Whether every byte is there. The file is put in its place then. Raises DamagedDownload."""
        have = self._have()
        if have < self._size:
            return False
        if have == self._size and self._digest() == self._sha256:
            os.replace(self._part, self._target)  # noqa: PTH105 -- atomic on every platform
            return True
        self._part.unlink()
        if self._has_restarted:
            raise DamagedDownload("what arrived is not the file that the manifest names")
        self._has_restarted, self._furthest = True, -1  # what lay there may have been of an earlier file
        return False

    def headers(self) -> Mapping[str, str]:
        """Of the next request. Raises DamagedDownload when too many in a row brought nothing."""
        have = self._have()
        self._fruitless = 0 if have > self._furthest else self._fruitless + 1
        self._furthest = max(have, self._furthest)
        if self._fruitless > FRUITLESS_AT_MOST:
            raise DamagedDownload(f"the connection breaks again and again after {have} of {self._size} bytes")
        # As it is: to something compressed no range could be appended.
        return {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})

    def opened(self, status: int) -> BinaryIO:
        """The part file, at the place where the body of the answer belongs."""
        return self._part.open("ab" if status == PARTIAL else "wb")

    def write(self, file: BinaryIO, chunk: bytes) -> None:
        """Append. Raises DamagedDownload when there is more than was promised."""
        if file.tell() + len(chunk) > self._size:
            raise DamagedDownload("more bytes arrive than the manifest promised")
        file.write(chunk)

    def broke(self, error: ApiError | Unreachable) -> float:
        """After how many seconds to go on. Raises the error when that would not help."""
        if not may_ask_again(is_repeatable=True)(error):
            raise error
        return max(AGAIN_AFTER_S, error.retry_after_s or 0.0) if isinstance(error, ApiError) else AGAIN_AFTER_S

    def _have(self) -> int:
        if not self._part.exists():
            if self._size == 0:
                self._part.touch()
            return 0
        return self._part.stat().st_size

    def _digest(self) -> str:
        with self._part.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
