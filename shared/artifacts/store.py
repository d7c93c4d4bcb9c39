"""Where the files of jobs are kept: a folder, or a bucket. Stages pass files to each other only through here.

A name is relative to its job, such as `audio.m4a` or `clips/01.mp4`.
"""

import hashlib
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

from shared.errors import FileMissing, KlipError, PermissionDenied, StorageServiceError
from shared.net.edges import classify, converted

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*){0,3}")
MAX_NAME = 200


class Conflict(Exception):
    """Somebody else wrote the file in the meantime."""


class Served(NamedTuple):
    """How the web hands a file out: a local path, or a signed URL to be redirected to."""

    path: Path | None = None
    url: str | None = None


class ArtifactStore(Protocol):
    """Raises FileMissing, StorageServiceError, InsufficientStorage, PermissionDenied."""

    def put(self, job_id: str, name: str, source: Path) -> None:
        """Store a finished file under its name, whole or not at all; `source` may be moved away."""

    def put_all(self, job_id: str, files: Mapping[str, Path]) -> None:
        """Store several finished files, each whole or not at all."""

    def fetch(self, job_id: str, name: str) -> Path:
        """A local path of the file, to be read only; it stays while this process works on the job."""

    def read(self, job_id: str, name: str) -> tuple[bytes, str]:
        """A small file's bytes and its generation."""

    def write(self, job_id: str, name: str, data: bytes, *, generation: str | None) -> None:
        """Write a small file if it still has this generation (None: does not exist). Raises Conflict."""

    def serve(self, job_id: str, name: str) -> Served:
        """How the web hands the file out."""

    def names(self, job_id: str) -> list[str]:
        """The job's files, sorted."""

    def delete(self, job_id: str, names: list[str] | None = None) -> None:
        """Remove these files of the job, or all of them. What is not there counts as removed."""

    def check(self) -> None:
        """Raise the error that storing a file would meet now."""


def checked_name(name: str) -> str:
    """`name` if it is a harmless relative name. Raises FileMissing otherwise."""
    if len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise FileMissing("There is no file of this name.")
    return name


def sha256_of(path: Path) -> str:
    """In hexadecimal, of the file's bytes; read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def storage_errors() -> AbstractContextManager[None]:
    """Turn the operating system's errors into ours."""
    return converted(OSError, into=_storage_error)


def _storage_error(error: Exception) -> KlipError:
    known = classify(error)
    if isinstance(known, PermissionDenied):
        return PermissionDenied("The file storage may not be written or read by this process.")
    if isinstance(known, FileMissing):
        return known
    reason = getattr(error, "strerror", None) or type(error).__name__
    return StorageServiceError(f"The file storage answered with an error ({reason}).")
