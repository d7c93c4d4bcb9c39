"""The chat stage."""

from datetime import datetime
from pathlib import Path

from shared.errors import ChatUnavailable, ErrorType, KlipError
from shared.files import CHAT
from shared.jobs import Job
from shared.progress import Progress
from shared.redis.breaker import SERVICE_FAILURES
from shared.settings import settings
from tasks.chat_files import chat_file
from tasks.retries import is_final
from tasks.sources import source_of
from tasks.stage import Limits, stage
from tasks.workspace import Outcome, Workspace
from workers.download.chat_import import import_chat
from workers.download.chat_placing import Recording
from workers.download.chat_shift import shift_chat
from workers.download.sources import ChatSummary
from workers.download.vod_chat import ChatSettings, fetched_so_far, missing_chat

PARTS = "parts"


@stage("chat", limits=Limits(stall_s=180, base_s=900, per_hour_s=1800))
def chat(job: Job, work: Workspace, report: Progress) -> Outcome:
    """Take the chat from the given file, else fetch it; without it, or some of it, the job goes on and says so."""
    into = work.folder / CHAT.name
    recording = Recording(work.duration_s(), _begins_at(job), job.options.chat_offset_seconds, _vod(job))
    try:
        if job.chat_ref is None:
            summary = shift_chat(into, _fetched(job, into, work=work, report=report), recording)
        else:
            parts = work.subfolder(PARTS)
            summary = import_chat(chat_file(job.chat_ref), into, work=parts, progress=report, recording=recording)
    except ChatUnavailable as error:
        gaps = ((0.0, work.duration_s()),) if isinstance(error, _GivenUp) else ()
        return Outcome(warnings=(f"{error.code}: {error.detail}",), notes={"gaps": gaps})
    notes = {"messages": summary.messages, "gaps": summary.gaps}
    return Outcome(files=(CHAT.name,), warnings=summary.warnings, notes=notes)


class _GivenUp(ChatUnavailable):
    """Nothing of the chat came, however often it was asked for."""


def _fetched(job: Job, into: Path, *, work: Workspace, report: Progress) -> ChatSummary:
    """The chat; or, when its service has had all its tries, what there is of it."""
    parts = work.subfolder(PARTS)
    try:
        return source_of(job).fetch_chat(into, work=parts, progress=report)
    except KlipError as error:
        if not _is_given_up(job, error):
            raise
        asked = ChatSettings(ranges=settings().chat_ranges)
        summary = fetched_so_far(into, length_s=work.duration_s(), work=parts, settings=asked)
        if summary is None:
            raise _GivenUp(f"{error.detail} {missing_chat([(0.0, work.duration_s())])}") from error
        return summary


def _is_given_up(job: Job, error: KlipError) -> bool:
    kinds = SERVICE_FAILURES | {ErrorType.RATE_LIMITED}
    return error.retryable and error.error_type in kinds and is_final(job, error)


def _vod(job: Job) -> str | None:
    """The number of the VOD; None for recordings from elsewhere."""
    return job.source["ref"] if job.source["kind"] == "twitch" else None


def _begins_at(job: Job) -> float | None:
    """Unix time at which Twitch says the recording began; None for recordings from elsewhere."""
    created_at = job.video.created_at if job.video else None
    try:
        return datetime.fromisoformat(created_at).timestamp() if created_at else None
    except ValueError:
        return None
