"""The download stage."""

from dataclasses import replace

from shared.files import AUDIO, VIDEO
from shared.jobs import Job
from shared.progress import Progress, share_of
from tasks.chat_files import check_chat_file
from tasks.sources import source_of
from tasks.speech import is_named, transcriber_of
from tasks.stage import Limits, stage
from tasks.workspace import Outcome, Workspace
from workers.media.sound_choice import silence_told

SOUND_SHARE_OF_FULL = 0.1  # the sound is a small part of what `video: full` fetches


@stage("download", limits=Limits(stall_s=180, base_s=1800, per_hour_s=3600))
def download(job: Job, work: Workspace, report: Progress) -> Outcome:
    """Look the recording up and fetch its sound, and its picture when all of it is wanted."""
    transcriber = transcriber_of(job)
    if transcriber is not None and is_named(job):
        # What can't be transcribed is told before anything is fetched.
        transcriber.check(job.options.language)
    if job.chat_ref is not None:
        check_chat_file(job.chat_ref)
    source = source_of(job)
    video = source.describe()
    full = job.options.video == "full"
    parts = work.subfolder("parts")
    sound_progress = share_of(report, 0, SOUND_SHARE_OF_FULL if full else 1)
    sound = source.fetch_sound(work.folder / AUDIO.name, work=parts, progress=sound_progress)
    files = [AUDIO.name]
    if full:
        source.fetch_video(work.folder / VIDEO.name, work=parts, progress=share_of(report, SOUND_SHARE_OF_FULL, 1))
        files.append(VIDEO.name)
    described = replace(
        video.measured(source.measure(work=parts)),
        duration_seconds=round(video.duration_seconds or sound.duration_seconds, 3),
        audio_track=sound.track,
        audio_tracks=sound.tracks,
        parts=sound.parts,
    )
    warnings = (*sound.warnings, *silence_told(work.folder / AUDIO.name))
    return Outcome(files=tuple(files), warnings=warnings, video=described)
