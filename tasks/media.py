"""The file that a job's exports name as their recording."""

import shlex
from pathlib import Path
from urllib.parse import quote

from shared.jobs import Job
from shared.settings import Settings
from workers.exports import Media


def media_of(job: Job, config: Settings) -> Media:
    """A recording on this machine by its full `file:` URL, any other by its name and the command that fetches it."""
    name = (job.video and job.video.file_name) or "recording.mp4"
    kind, ref = job.source["kind"], job.source["ref"]
    # With API keys users are other people, who are not told where this machine keeps its files.
    if kind == "local" and config.local_media_dir is not None and not config.api_keys:
        return Media(name=name, url=Path(config.local_media_dir, ref).resolve().as_uri())
    address = {"twitch": f"https://www.twitch.tv/videos/{ref}", "direct": ref}.get(kind)
    return Media(name=name, url=quote(name), fetch=_fetch(name, address) if address else None)


def _fetch(name: str, url: str) -> str:
    # yt-dlp takes a percent sign for a field of its template.
    return shlex.join(["yt-dlp", "-o", name.replace("%", "%%"), url])
