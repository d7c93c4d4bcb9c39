"""The exports of a job whose highlights were edited, made when they are asked for."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from shared.files import HIGHLIGHTS_CSV
from shared.jobs import Job
from shared.settings import settings
from tasks.media import media_of
from workers.exports import write_exports
from workers.exports.table import write_csv


def edited_exports(job: Job, highlights: list[dict[str, Any]]) -> dict[str, bytes]:
    """highlights.csv and every export, by name."""
    with TemporaryDirectory(prefix="klipstream-") as folder:
        into = Path(folder)
        write_csv(highlights, into / HIGHLIGHTS_CSV.name)
        exported = write_exports(highlights, video=job.video or {}, media=media_of(job, settings()), into=into)
        return {name: (into / name).read_bytes() for name in (HIGHLIGHTS_CSV.name, *exported.files)}
