"""The highlights stage: find them, cut them, write the result."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from shared import files
from shared.errors import UnsupportedFormat, VideoUnavailable
from shared.feedback import Verdict
from shared.jobs import Job
from shared.progress import Progress, share_of
from shared.records import Video
from shared.redis.feedback import FeedbackStore
from shared.settings import settings
from tasks.media import media_of
from tasks.results import file_url, write_results
from tasks.sources import source_of
from tasks.stage import Limits, stage
from tasks.workspace import Outcome, Workspace
from workers.analysis.highlights import Found, find_highlights, write_highlight_files
from workers.app import job_store
from workers.download.sources import Part
from workers.exports import write_exports
from workers.media.clips import cut_clip, thumbnail
from workers.media.ffmpeg import ffmpeg_path
from workers.media.measure import measure

FINDING_SHARE = 0.1  # of the stage's time; the rest is cutting
MEASURED_S = 1.0  # of the picture, at least: a whole segment

PartOf = Callable[[float, float], Part | None]


@stage("highlights", limits=Limits(stall_s=300, base_s=1800, per_hour_s=600))
def highlights(job: Job, work: Workspace, report: Progress) -> Outcome:
    """Choose the moments worth keeping and cut them."""
    found = find_highlights(
        timeline=work.fetch(files.TIMELINE.name),
        chat=work.fetch_if_any(files.CHAT.name),
        transcript=work.fetch_if_any(files.TRANSCRIPT.name),
        duration_s=work.duration_s(),
        count=job.options.highlights,
        watch_url=job.video.watch_url if job.video else None,
        verdicts=_verdicts(job),
    )
    report(FINDING_SHARE)
    part_of = _parts(job, work)
    clips, warnings = _cut(job, part_of, found, work.folder, share_of(report, FINDING_SHARE, 1))
    job = replace(job, video=_measured(job, part_of, found))
    video = job.video.as_dict() if job.video else {}
    exported = write_exports(found.highlights, video=video, media=media_of(job, settings()), into=work.folder)
    names = (
        *clips,
        *write_highlight_files(
            found, timeline=work.fetch(files.TIMELINE.name), title=video.get("title"), into=work.folder
        ),
        *exported.files,
    )
    warnings = (*found.warnings, *warnings, *exported.warnings)
    results = write_results(
        job, work, found.highlights, files=names, warnings=(*job.warnings, *warnings), tuned_on=found.tuned_on
    )
    return Outcome(files=(*names, files.RESULTS.name), warnings=warnings, video=job.video, results=results)


def _verdicts(job: Job) -> list[Verdict]:
    """What the job's owner said about earlier highlights of this channel. A local recording has no channel."""
    channel = job.video.channel if job.video else None
    if not (job.options.learn and channel):
        return []
    return FeedbackStore(job_store().redis).verdicts(job.owner, channel)


def _measured(job: Job, part_of: PartOf, found: Found) -> Video | None:
    """The job's video with what editors have to know; of HLS from the first clip's picture, which is here already."""
    video = job.video
    if video is None or video.has_picture is not None or job.options.video == "none":
        return video
    start_s = found.highlights[0]["start_seconds"] if found.highlights else 0.0
    try:
        part = part_of(start_s, start_s + MEASURED_S)
        return replace(video, **measure(part.path).as_dict()) if part else video
    except (VideoUnavailable, UnsupportedFormat):
        return video  # exports say then that the rate is not known


def _cut(job: Job, part_of: PartOf, found: Found, folder: Path, report: Progress) -> tuple[list[str], tuple[str, ...]]:
    """Cut every clip and its thumbnail; fills in their addresses. Returns names and warnings."""
    if job.options.clips is False or job.options.video == "none":
        return [], ()
    names: list[str] = []
    warnings: list[str] = []
    (folder / "clips").mkdir(exist_ok=True)
    for position, highlight in enumerate(found.highlights):
        start_s, end_s = highlight["start_seconds"], highlight["end_seconds"]
        try:
            part = part_of(start_s, end_s)
            if part is None:
                return [], ("The recording has no picture, so no clips were cut.",)
            names += _cut_one(job, part, highlight, folder)
        except UnsupportedFormat as error:
            warnings.append(f"The clip of highlight {highlight['rank']} could not be cut: {error.detail}")
        report((position + 1) / len(found.highlights))
    return names, tuple(warnings)


def _parts(job: Job, work: Workspace) -> PartOf:
    """What gives the picture from one second to another; None when there is none."""
    if job.options.video == "full":
        whole = Part(work.fetch(files.VIDEO.name), 0.0)
        return lambda _start_s, _end_s: whole
    folder = work.subfolder("parts")
    # One source for all clips: every new one asks for a token and all playlists again. Made when something is fetched.
    source = cache(partial(source_of, job))
    return lambda start_s, end_s: source().fetch_part(start_s, end_s, work=folder)


def _cut_one(job: Job, part: Part, highlight: dict[str, Any], folder: Path) -> list[str]:
    clip, picture = files.clip(highlight["rank"]).name, files.thumbnail(highlight["rank"]).name
    cut_clip(
        part.path,
        begins_at_s=part.begins_at_seconds,
        start_s=highlight["start_seconds"],
        end_s=highlight["end_seconds"],
        into=folder / clip,
        sound=part.sound,
        vertical=job.options.clips == "vertical",
        ffmpeg=ffmpeg_path(),
    )
    thumbnail(folder / clip, into=folder / picture, ffmpeg=ffmpeg_path())
    highlight["clip_url"] = file_url(job, clip)
    highlight["thumbnail_url"] = file_url(job, picture)
    return [clip, picture]
