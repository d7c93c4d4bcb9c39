"""The transcribe stage."""

from shared.errors import KlipError
from shared.files import AUDIO
from shared.jobs import Job
from shared.progress import Progress
from tasks.checkpoints import Checkpoints
from tasks.speech import transcriber_of
from tasks.stage import Limits, stage
from tasks.workspace import Outcome, Workspace
from workers.transcription.transcript import write_files


@stage("transcribe", limits=Limits(stall_s=600, base_s=900, per_hour_s=3600))
def transcribe(job: Job, work: Workspace, report: Progress) -> Outcome:
    """Turn the sound into words with times."""
    audio = work.fetch(AUDIO.name)
    pieces = Checkpoints(work, work.subfolder("pieces"))
    pieces.restore()
    try:
        transcript = transcriber_of(job).transcribe(
            audio, language=job.options.language, work=pieces.folder, progress=pieces.kept_with(report)
        )
    except KlipError:
        pieces.keep()
        raise
    pieces.remove()
    files = write_files(transcript, work.folder)
    return Outcome(files=files, warnings=transcript.warnings, notes=transcript.summary())
