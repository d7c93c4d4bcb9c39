"""The result document (contract, section 7)."""

import json

from shared.files import MANIFEST, RESULTS, URL_FILES
from shared.highlight import Highlight, as_dicts
from shared.jobs import Job
from shared.records import Results
from shared.representations import API
from tasks.workspace import Workspace


def file_url(job: Job, name: str) -> str:
    """The address of a job's file, from the root of this server."""
    return f"{API}/{job.job_id}/files/{name}"


def write_results(
    job: Job,
    work: Workspace,
    highlights: list[Highlight],
    *,
    files: tuple[str, ...],
    warnings: tuple[str, ...],
    tuned_on: int,
) -> Results:
    """Write the result document into the stage's folder and return what the job itself shows of it.

    tuned_on: how many verdicts on the channel's earlier highlights moved the ranking.
    """
    names = [*work.files(), *files, RESULTS.name, MANIFEST]
    urls = {name: file_url(job, file.name) if file.name in names else None for name, file in URL_FILES.items()}
    summary = work.notes("analyze")
    document = {
        "job_id": job.job_id,
        "metadata": job.metadata,
        "video": job.video.as_dict() if job.video else None,
        "highlights": as_dicts(highlights),
        "tuned_on_verdicts": tuned_on,
        "emotions": summary.get("emotions"),
        "sentiment": summary.get("sentiment"),
        "chat": summary.get("chat"),
        "chat_lag_seconds": summary.get("chat_lag_seconds"),
        "transcript": work.notes("transcribe") or None,
        "warnings": list(dict.fromkeys(warnings)),
        "timings": job.timings,
        "files": {name: file_url(job, name) for name in sorted(names)},
        "urls": urls,
    }
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    (work.folder / RESULTS.name).write_text(text, encoding="utf-8")
    return Results(
        highlights=len(highlights),
        clips=sum(1 for highlight in highlights if highlight.clip_url),
        files=len(names),
        results_url=f"{API}/{job.job_id}/results",
        urls=urls,
    )
