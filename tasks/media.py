"""The file that a job's exports name as their recording."""

import shlex
from dataclasses import replace
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
        return _in_parts(Media(name=name, url=_file_url(config.local_media_dir, ref)), job, config.local_media_dir)
    address = {"twitch": f"https://www.twitch.tv/videos/{ref}", "direct": ref}.get(kind)
    return _in_parts(Media(name=name, url=quote(name), fetch=_fetch(name, address) if address else None), job, None)


def _in_parts(first: Media, job: Job, folder: Path | None) -> Media:
    """With the further files that are joined to it; by their full URLs when they lie in a `folder` that may be told."""
    if not job.options.join:
        return first
    names = [(name, Path(name).name) for name in job.options.join]
    further = (Media(name=last, url=_file_url(folder, name) if folder else quote(last)) for name, last in names)
    return replace(first, parts=(first, *further))


def _file_url(folder: Path, name: str) -> str:
    return Path(folder, name).resolve().as_uri()


def _fetch(name: str, url: str) -> str:
    # yt-dlp takes a percent sign for a field of its template.
    return shlex.join(["yt-dlp", "-o", name.replace("%", "%%"), url])
