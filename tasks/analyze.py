"""The analyze stage."""

from typing import cast

from shared import files
from shared.jobs import Job
from shared.progress import Progress
from tasks.stage import Limits, stage
from tasks.workspace import Outcome, Workspace
from workers.analysis.recording import analyze_recording


@stage("analyze", limits=Limits(stall_s=300, base_s=600, per_hour_s=900))
def analyze(job: Job, work: Workspace, report: Progress) -> Outcome:
    """Measure chat, sound and words on a grid of seconds."""
    analysis = analyze_recording(
        chat=work.fetch_if_any(files.CHAT.name),
        audio=work.fetch(files.AUDIO.name),
        transcript=work.fetch_if_any(files.TRANSCRIPT.name),
        duration_s=work.duration_s(),
        into=work.folder,
        progress=report,
        chat_gaps=cast("list[list[float]]", work.notes("chat").get("gaps", [])),
    )
    return Outcome(files=analysis.files, warnings=analysis.warnings, notes=analysis.summary.as_dict())
