"""The exports of a job whose highlights were edited, made when they are asked for."""

from pathlib import Path
from tempfile import TemporaryDirectory

from shared.highlight import Highlight
from shared.jobs import Job
from shared.settings import settings
from tasks.media import media_of
from workers.exports import write_exports


def edited_exports(job: Job, highlights: list[Highlight]) -> dict[str, bytes]:
    """highlights.csv and every export, by name."""
    with TemporaryDirectory(prefix="klipstream-") as folder:
        into = Path(folder)
        exported = write_exports(highlights, video=job.video, media=media_of(job, settings()), into=into)
        return {name: (into / name).read_bytes() for name in exported.files}
