"""The highlights stage: find them, cut them, write the result."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from shared import files
from shared.errors import UnsupportedFormat, VideoUnavailable
from shared.feedback import Verdict
from shared.highlight import Highlight
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


class Clips(NamedTuple):
    """highlights: with the addresses of what was cut.  files: names of clips and thumbnails."""

    highlights: list[Highlight]
    files: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


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
    clips = _cut(job, part_of, found.highlights, work.folder, share_of(report, FINDING_SHARE, 1))
    found = found._replace(highlights=clips.highlights)
    job = replace(job, video=_measured(job, part_of, found))
    title = job.video.title if job.video else None
    exported = write_exports(found.highlights, video=job.video, media=media_of(job, settings()), into=work.folder)
    names = (
        *clips.files,
        *write_highlight_files(found, timeline=work.fetch(files.TIMELINE.name), title=title, into=work.folder),
        *exported.files,
    )
    warnings = (*found.warnings, *clips.warnings, *exported.warnings)
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
    start_s = found.highlights[0].start_seconds if found.highlights else 0.0
    try:
        part = part_of(start_s, start_s + MEASURED_S)
        return video.measured(measure(part.path)) if part else video
    except (VideoUnavailable, UnsupportedFormat):
        return video  # exports say then that the rate is not known


def _cut(job: Job, part_of: PartOf, found: list[Highlight], folder: Path, report: Progress) -> Clips:
    """Cut every clip and its thumbnail."""
    if job.options.clips is False or job.options.video == "none":
        return Clips(found)
    highlights: list[Highlight] = []
    names: list[str] = []
    warnings: list[str] = []
    (folder / "clips").mkdir(exist_ok=True)
    for highlight in found:
        clip, picture = files.clip(highlight.rank).name, files.thumbnail(highlight.rank).name
        try:
            part = part_of(highlight.start_seconds, highlight.end_seconds)
            if part is None:
                return Clips(found, warnings=("The recording has no picture, so no clips were cut.",))
            _cut_one(job, part, highlight, clip=folder / clip, picture=folder / picture)
            names += [clip, picture]
            highlights.append(replace(highlight, clip_url=file_url(job, clip), thumbnail_url=file_url(job, picture)))
        except UnsupportedFormat as error:
            highlights.append(highlight)
            warnings.append(f"The clip of highlight {highlight.rank} could not be cut: {error.detail}")
        report(len(highlights) / len(found))
    return Clips(highlights, tuple(names), tuple(warnings))


def _parts(job: Job, work: Workspace) -> PartOf:
    """What gives the picture from one second to another; None when there is none."""
    if job.options.video == "full":
        whole = Part(work.fetch(files.VIDEO.name), 0.0)
        return lambda _start_s, _end_s: whole
    folder = work.subfolder("parts")
    # One source for all clips: every new one asks for a token and all playlists again. Made when something is fetched.
    source = cache(partial(source_of, job))
    return lambda start_s, end_s: source().fetch_part(start_s, end_s, work=folder)


def _cut_one(job: Job, part: Part, highlight: Highlight, *, clip: Path, picture: Path) -> None:
    cut_clip(
        part.path,
        begins_at_s=part.begins_at_seconds,
        start_s=highlight.start_seconds,
        end_s=highlight.end_seconds,
        into=clip,
        sound=part.sound,
        vertical=job.options.clips == "vertical",
        ffmpeg=ffmpeg_path(),
        threads=settings().threads,
    )
    thumbnail(clip, into=picture, ffmpeg=ffmpeg_path(), threads=settings().threads)
