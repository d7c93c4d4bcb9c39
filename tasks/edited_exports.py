"""The exports of a job whose highlights were edited, made when they are asked for."""

from pathlib import Path
from tempfile import TemporaryDirectory

from shared.jobs import Job
from shared.settings import settings
from tasks.media import media_of
from workers.exports import write_exports


def edited_exports(job: Job, highlights: list[dict[str, object]]) -> dict[str, bytes]:
    """highlights.csv and every export, by name."""
    with TemporaryDirectory(prefix="klipstream-") as folder:
        into = Path(folder)
        video = job.video.as_dict() if job.video else {}
        exported = write_exports(highlights, video=video, media=media_of(job, settings()), into=into)
        return {name: (into / name).read_bytes() for name in exported.files}
