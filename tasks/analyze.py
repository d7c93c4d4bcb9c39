"""The analyze stage."""

from shared.jobs import Job
from shared.progress import Progress
from tasks.stage import Limits, stage
from tasks.workspace import Outcome, Workspace
from workers.analysis.recording import analyze_recording


@stage("analyze", limits=Limits(stall_s=300, base_s=600, per_hour_s=900))
def analyze(job: Job, work: Workspace, report: Progress) -> Outcome:
    """Measure chat, sound and words on a grid of seconds."""
    analysis = analyze_recording(
        chat=work.fetch_if_any("chat.jsonl"),
        audio=work.fetch("audio.m4a"),
        transcript=work.fetch_if_any("transcript.json"),
        duration_s=work.duration_s(),
        into=work.folder,
        progress=report,
    )
    return Outcome(files=analysis.files, warnings=analysis.warnings, notes=analysis.summary)
