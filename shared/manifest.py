"""manifest.json: what is finished of a job, stage by stage; the shape of its JSON."""

from typing import TypedDict


class FileEntry(TypedDict):
    """A finished file. size: bytes.  sha256: in hexadecimal.  stage, attempt: which made it."""

    size: int
    sha256: str
    stage: str
    attempt: int


class StageRecord(TypedDict):
    """What a finished stage made. notes: for later stages.  video, results: for the job."""

    files: list[str]
    warnings: list[str]
    notes: dict[str, object]
    video: dict[str, object] | None
    results: dict[str, object] | None


class Manifest(TypedDict):
    """files: by name.  stages: the finished ones by name."""

    job_id: str
    files: dict[str, FileEntry]
    stages: dict[str, StageRecord]
