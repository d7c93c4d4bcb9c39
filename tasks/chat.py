"""The chat stage."""

from datetime import datetime
from pathlib import Path

from shared.errors import ChatUnavailable
from shared.files import CHAT
from shared.jobs import Job
from shared.progress import Progress
from tasks.chat_files import chat_file
from tasks.sources import source_of
from tasks.stage import Limits, stage
from tasks.workspace import Outcome, Workspace
from workers.download.chat_import import import_chat
from workers.download.chat_placing import Recording
from workers.download.chat_shift import shift_chat
from workers.download.sources import ChatSummary


@stage("chat", limits=Limits(stall_s=180, base_s=900, per_hour_s=1800))
def chat(job: Job, work: Workspace, report: Progress) -> Outcome:
    """Take the chat from the given file, else fetch it; without one the job goes on and says so."""
    into = work.folder / CHAT.name
    try:
        summary = _chat(job, into, work=work, report=report)
    except ChatUnavailable as error:
        return Outcome(warnings=(f"{error.code}: {error.detail}",))
    return Outcome(files=(CHAT.name,), warnings=summary.warnings, notes={"messages": summary.messages})


def _chat(job: Job, into: Path, *, work: Workspace, report: Progress) -> ChatSummary:
    parts = work.subfolder("parts")
    recording = Recording(work.duration_s(), _begins_at(job), job.options.chat_offset_seconds)
    if job.chat_ref is not None:
        return import_chat(chat_file(job.chat_ref), into, work=parts, progress=report, recording=recording)
    fetched = source_of(job).fetch_chat(into, work=parts, progress=report)
    return shift_chat(into, fetched, recording)


def _begins_at(job: Job) -> float | None:
    """Unix time at which Twitch says the recording began; None for recordings from elsewhere."""
    created_at = job.video.created_at if job.video else None
    try:
        return datetime.fromisoformat(created_at).timestamp() if created_at else None
    except ValueError:
        return None
