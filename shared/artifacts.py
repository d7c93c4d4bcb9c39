"""Where the files of jobs are kept: a folder, or a bucket. Stages pass files to each other only through here.

A name is relative to its job, such as `audio.m4a` or `clips/01.mp4`.
"""

import contextlib
import errno
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from shared.breaker import Call, unguarded
from shared.classify import classify, shortage
from shared.errors import FileMissing, KlipError, PermissionDenied, StorageServiceError
from shared.settings import Settings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*){0,3}")
MAX_NAME = 200
FRESH = ".new-"  # how the names of files begin that are still being written


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

    def serve(self, job_id: str, name: str) -> Served: ...

    def names(self, job_id: str) -> list[str]: ...

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
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def storage_errors() -> Iterator[None]:
    """Turn the operating system's errors into ours."""
    try:
        yield
    except OSError as error:
        raise _storage_error(error) from error


def _storage_error(error: OSError) -> KlipError:
    if (short := shortage(error)) is not None:
        return short
    known = classify(error)
    if isinstance(known, PermissionDenied):
        return PermissionDenied("The file storage may not be written or read by this process.")
    if isinstance(known, FileMissing):
        return known
    return StorageServiceError(f"The file storage answered with an error ({error.strerror or type(error).__name__}).")


class FolderStore:
    """Files in a folder, one subfolder a job. Every write is a temporary file and a rename."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _path(self, job_id: str, name: str) -> Path:
        return self.root / checked_name(job_id) / checked_name(name)

    def put(self, job_id: str, name: str, source: Path) -> None:
        target = self._path(job_id, name)
        with storage_errors():
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                source.replace(target)
            except OSError as error:
                if error.errno != errno.EXDEV:  # the working folder is on another disk
                    raise
                with _beside(target) as fresh:
                    shutil.copyfile(source, fresh)
                    fresh.replace(target)

    def put_all(self, job_id: str, files: Mapping[str, Path]) -> None:
        for name, source in files.items():
            self.put(job_id, name, source)

    def fetch(self, job_id: str, name: str) -> Path:
        path = self._path(job_id, name)
        with storage_errors():
            is_there = path.is_file()
        if not is_there:
            raise FileMissing(f"There is no file {name}.")
        return path

    def read(self, job_id: str, name: str) -> tuple[bytes, str]:
        with storage_errors():
            data = self._path(job_id, name).read_bytes()
        return data, hashlib.sha256(data).hexdigest()

    def write(self, job_id: str, name: str, data: bytes, *, generation: str | None) -> None:
        target = self._path(job_id, name)
        with storage_errors():
            target.parent.mkdir(parents=True, exist_ok=True)
            present = hashlib.sha256(target.read_bytes()).hexdigest() if target.is_file() else None
            if present != generation:
                raise Conflict(name)
            with _beside(target) as fresh:
                fresh.write_bytes(data)
                fresh.replace(target)

    def serve(self, job_id: str, name: str) -> Served:
        return Served(path=self.fetch(job_id, name))

    def names(self, job_id: str) -> list[str]:
        folder = self.root / checked_name(job_id)
        found = (path for path in folder.rglob("*") if not path.name.startswith(FRESH) and path.is_file())
        return sorted(str(path.relative_to(folder)) for path in found)

    def delete(self, job_id: str, names: list[str] | None = None) -> None:
        with storage_errors():
            if names is None:
                shutil.rmtree(self.root / checked_name(job_id), ignore_errors=True)
                return
            for name in names:
                self._path(job_id, name).unlink(missing_ok=True)

    def check(self) -> None:
        with storage_errors():
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.root, prefix=".check-"):
                pass


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A temporary path in the same folder, removed if it was not renamed."""
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=FRESH)
    os.close(descriptor)
    fresh = Path(name)
    try:
        yield fresh
    finally:
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()


def open_store(config: Settings, *, call: Call = unguarded) -> ArtifactStore:
    """The store that `ARTIFACTS_URL` names.

    call: what each operation on a bucket goes through, such as a circuit breaker.
    """
    if not config.artifacts_url.startswith("gs://"):
        return FolderStore(Path(config.artifacts_url))
    # Only here: Google's client takes a second to import.
    from shared.cache import FileCache
    from shared.gcs import GcsStore

    bucket, _, prefix = config.artifacts_url.removeprefix("gs://").partition("/")
    return GcsStore(bucket, prefix, cache=FileCache(config.data_dir / "cache"), call=call)
