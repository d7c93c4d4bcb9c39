"""The chat stage."""

from shared.errors import ChatUnavailable
from shared.files import CHAT
from shared.jobs import Job
from shared.progress import Progress
from tasks.sources import source_of
from tasks.stage import Limits, stage
from tasks.workspace import Outcome, Workspace


@stage("chat", limits=Limits(stall_s=180, base_s=900, per_hour_s=1800))
def chat(job: Job, work: Workspace, report: Progress) -> Outcome:
    """Fetch the chat; without one the job goes on and says so."""
    try:
        summary = source_of(job).fetch_chat(work.folder / CHAT.name, work=work.subfolder("parts"), progress=report)
    except ChatUnavailable as error:
        return Outcome(warnings=(f"{error.code}: {error.detail}",))
    return Outcome(files=(CHAT.name,), warnings=summary.warnings, notes={"messages": summary.messages})
