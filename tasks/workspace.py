"""Where a stage works: a folder of its own, the job's files, and the manifest that says what is finished."""

import json
import os
import weakref
from dataclasses import dataclass, field
from pathlib import Path

from shared.artifacts.store import ArtifactStore, Conflict, sha256_of
from shared.errors import FileMissing, StorageServiceError
from shared.files import MANIFEST
from shared.jobs import Job
from shared.manifest import FileEntry, Manifest, StageRecord
from shared.records import Results, Video
from shared.work_folder import occupy, remove_unless_occupied

_MAX_CONFLICTS = 20


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a stage made.

    files: names of finished files in the stage's folder.  notes: for later stages, JSON-able.  video, results: for the
    job, None leaves what is there.
    """

    files: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: dict[str, object] = field(default_factory=dict)
    video: Video | None = None
    results: Results | None = None


class Workspace:
    """One stage of one job on this machine.

    `folder` outlives a crash: what is in it was left by an earlier try of the same stage. Nobody removes it until
    `leave` or `remove` is called.
    """

    def __init__(self, job: Job, stage: str, *, store: ArtifactStore, root: Path) -> None:
        self.job = job
        self.stage = stage
        self.store = store
        self.folder = root / job.job_id / stage
        self._occupied = weakref.finalize(self, os.close, occupy(self.folder))

    def subfolder(self, name: str) -> Path:
        """A folder for work in progress, kept over a crash."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder

    def duration_s(self) -> float:
        """The length of the recording in seconds, as the download stage found it."""
        if self.job.video is None or self.job.video.duration_seconds is None:
            raise ValueError("The download stage has not told the length.")
        return self.job.video.duration_seconds

    def fetch(self, name: str) -> Path:
        """A local path of a file that an earlier stage made, to be read only. Raises FileMissing."""
        return self.store.fetch(self.job.job_id, name)

    def fetch_if_any(self, name: str) -> Path | None:
        """A local path of an earlier stage's file, or None."""
        return self.fetch(name) if name in self.files() else None

    def notes(self, stage: str) -> dict[str, object]:
        """What an earlier stage noted for later ones."""
        record = self._manifest()[0]["stages"].get(stage)
        return record["notes"] if record else {}

    def files(self) -> dict[str, FileEntry]:
        """Every finished file of the job, by name."""
        return self._manifest()[0]["files"]

    def finished(self) -> Outcome | None:
        """The outcome of this stage if it was finished before and all its files are whole."""
        manifest, _ = self._manifest()
        record = manifest["stages"].get(self.stage)
        if record is None:
            return None
        video = Video.of(record["video"]) if record["video"] else None
        outcome = Outcome(
            files=tuple(record["files"]),
            warnings=tuple(record["warnings"]),
            notes=record["notes"],
            video=video,
            results=Results.of(record["results"]) if record["results"] else None,
        )
        for name in outcome.files:
            try:
                if sha256_of(self.fetch(name)) != manifest["files"][name]["sha256"]:
                    return None
            except FileMissing:
                return None
        return outcome

    def size_of(self, outcome: Outcome) -> int:
        """Bytes of the outcome's files."""
        return sum((self.folder / name).stat().st_size for name in outcome.files)

    def keep(self, outcome: Outcome) -> None:
        """Store the outcome's files and write it all into the manifest, last."""
        entries: dict[str, FileEntry] = {}
        for name in outcome.files:
            path = self.folder / name
            entries[name] = {
                "size": path.stat().st_size,
                "sha256": sha256_of(path),
                "stage": self.stage,
                "attempt": self.job.attempt,
            }
        self.store.put_all(self.job.job_id, {name: self.folder / name for name in outcome.files})
        record: StageRecord = {
            "files": list(outcome.files),
            "warnings": list(outcome.warnings),
            "notes": outcome.notes,
            "video": outcome.video.as_dict() if outcome.video else None,
            "results": outcome.results.as_dict() if outcome.results else None,
        }
        self._update_manifest(entries, record)

    def _manifest(self) -> tuple[Manifest, str | None]:
        try:
            data, generation = self.store.read(self.job.job_id, MANIFEST)
        except FileMissing:
            return {"job_id": self.job.job_id, "files": {}, "stages": {}}, None
        return json.loads(data), generation

    def _update_manifest(self, entries: dict[str, FileEntry], record: StageRecord) -> None:
        for _ in range(_MAX_CONFLICTS):
            manifest, generation = self._manifest()
            manifest["files"].update(entries)
            manifest["stages"][self.stage] = record
            data = json.dumps(manifest, indent=1, ensure_ascii=False).encode()
            try:
                self.store.write(self.job.job_id, MANIFEST, data, generation=generation)
            except Conflict:
                continue
            return
        raise StorageServiceError("The manifest changes faster than it can be written.")

    def leave(self) -> None:
        """Stop working here; what is in the folder stays for the next try."""
        self._occupied()

    def remove(self) -> None:
        """Remove the stage's folder, and the job's when it was the last; not while another process works there."""
        self.leave()
        remove_unless_occupied(self.folder)
