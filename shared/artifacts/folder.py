"""Files of jobs in a folder of this machine, or of a disk that several share."""

import errno
import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from shared.artifacts.store import Conflict, Served, checked_name, storage_errors
from shared.atomic import TEMPORARY, written_whole
from shared.errors import FileMissing


class FolderStore:
    """Files in a folder, one subfolder a job. Every write is a temporary file and a rename."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _path(self, job_id: str, name: str) -> Path:
        return self.root / checked_name(job_id) / checked_name(name)

    def put(self, job_id: str, name: str, source: Path) -> None:
        """Move it where it belongs; across disks it is copied beside it first."""
        target = self._path(job_id, name)
        with storage_errors():
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                source.replace(target)
            except OSError as error:
                if error.errno != errno.EXDEV:  # the working folder is on another disk
                    raise
                with written_whole(target) as temporary:
                    shutil.copyfile(source, temporary)

    def put_all(self, job_id: str, files: Mapping[str, Path]) -> None:
        """Store them one after the other."""
        for name, source in files.items():
            self.put(job_id, name, source)

    def fetch(self, job_id: str, name: str) -> Path:
        """The file itself, not a copy. Raises FileMissing."""
        path = self._path(job_id, name)
        with storage_errors():
            is_there = path.is_file()
        if not is_there:
            raise FileMissing(f"There is no file {name}.")
        return path

    def read(self, job_id: str, name: str) -> tuple[bytes, str]:
        """Its bytes; the generation is their SHA-256."""
        with storage_errors():
            data = self._path(job_id, name).read_bytes()
        return data, hashlib.sha256(data).hexdigest()

    def write(self, job_id: str, name: str, data: bytes, *, generation: str | None) -> None:
        """Compared by content. Raises Conflict."""
        target = self._path(job_id, name)
        with storage_errors():
            target.parent.mkdir(parents=True, exist_ok=True)
            present = hashlib.sha256(target.read_bytes()).hexdigest() if target.is_file() else None
            if present != generation:
                raise Conflict(name)
            with written_whole(target) as temporary:
                temporary.write_bytes(data)

    def serve(self, job_id: str, name: str) -> Served:
        """Its path. Raises FileMissing."""
        return Served(path=self.fetch(job_id, name))

    def names(self, job_id: str) -> list[str]:
        """The job's finished files, sorted."""
        folder = self.root / checked_name(job_id)
        found = (path for path in folder.rglob("*") if not path.name.startswith(TEMPORARY) and path.is_file())
        return sorted(str(path.relative_to(folder)) for path in found)

    def delete(self, job_id: str, names: list[str] | None = None) -> None:
        """Remove these files, or the job's folder."""
        with storage_errors():
            if names is None:
                shutil.rmtree(self.root / checked_name(job_id), ignore_errors=True)
                return
            for name in names:
                self._path(job_id, name).unlink(missing_ok=True)

    def check(self) -> None:
        """Write a file of nothing, as a job would."""
        with storage_errors():
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.root, prefix=".check-"):
                pass
