"""The transcribe stage."""

from shared.errors import KlipError, UnsupportedLanguage
from shared.files import AUDIO
from shared.jobs import Job
from shared.progress import Progress
from shared.redis.counters import Counted, Counters
from tasks.checkpoints import Checkpoints
from tasks.speech import is_named, transcriber_of
from tasks.stage import Limits, stage
from tasks.workspace import Outcome, Workspace
from workers.app import job_store
from workers.transcription.transcript import Transcript, write_files


@stage("transcribe", limits=Limits(stall_s=600, base_s=900, per_hour_s=3600))
def transcribe(job: Job, work: Workspace, report: Progress) -> Outcome:
    """Turn the sound into words with times.

    A language that can't be written down costs the words and not the job, unless its transcriber was asked for by name.
    """
    transcriber = transcriber_of(job)
    if transcriber is None:
        return Outcome(warnings=("No words were recognised, as was asked for.",))
    audio = work.fetch(AUDIO.name)
    pieces = Checkpoints(work, work.subfolder("pieces"))
    pieces.restore()
    try:
        transcript = transcriber.transcribe(
            audio, language=job.options.language, work=pieces.folder, progress=pieces.kept_with(report)
        )
    except UnsupportedLanguage as error:
        if is_named(job):
            raise
        pieces.remove()
        return Outcome(warnings=(f"No words were recognised. {error.detail}",))
    except KlipError:
        pieces.keep()
        raise
    pieces.remove()
    _count(transcript)
    files = write_files(transcript, work.folder)
    return Outcome(files=files, warnings=transcript.warnings, notes=transcript.summary())


def _count(transcript: Transcript) -> None:
    counters = Counters(job_store().redis)
    counters.add(Counted.TRANSCRIBED_SECONDS, transcript.provider, by=transcript.duration_seconds)
    counters.add(Counted.TRANSCRIPTION_DOLLARS, transcript.provider, by=transcript.cost_estimate_usd or 0.0)
