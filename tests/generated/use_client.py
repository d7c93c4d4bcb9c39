"""What a user writes on the client that openapi-python-client generates. Prints what it got, as JSON."""

import json
import sys
import time

from generated_client import Client
from generated_client.api.analysis import get_analysis, get_analysis_status, submit_analysis
from generated_client.api.feedback import edit_highlight
from generated_client.api.files import export_highlights, get_file, get_manifest, get_results
from generated_client.api.lists import list_analyses
from generated_client.models import (
    ErrorCode,
    ExportHighlightsFormat,
    Highlight,
    HighlightEdit,
    Job,
    JobPage,
    JobState,
    JobStatus,
    Manifest,
    Options,
    Problem,
    Results,
    Submission,
    Verdict,
)
from generated_client.types import File

ENDED = {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED}


def submit(client: Client) -> Job:
    """A new job on the sample."""
    wanted = Submission(url="file:demo.mp4", chat_url="file:demo_chat.json", options=Options(highlights=3))
    job = submit_analysis.sync(client=client, body=wanted, force=True)
    assert isinstance(job, Job), job
    return job


def follow(client: Client, job_id: str) -> JobState:
    """The job's state once it has ended, by polling."""
    while True:
        found = get_analysis_status.sync(job_id, client=client)
        assert isinstance(found, JobState), found
        if found.status in ENDED:
            return found
        time.sleep(0.5)


def fetched(client: Client, job_id: str) -> dict[str, object]:
    """What the job made: its results, a clip, an export."""
    results, manifest = get_results.sync(job_id, client=client), get_manifest.sync(job_id, client=client)
    assert isinstance(results, Results)
    assert isinstance(manifest, Manifest)
    clip = get_file.sync(job_id, "clips/01.mp4", client=client)
    assert isinstance(clip, File)
    srt = export_highlights.sync(job_id, ExportHighlightsFormat.SRT, client=client)
    assert isinstance(srt, str)
    judged = edit_highlight.sync(job_id, 1, client=client, body=HighlightEdit(verdict=Verdict.GOOD))
    assert isinstance(judged, Highlight)
    return {
        "highlights": [highlight.start_seconds for highlight in results.highlights],
        "chatters": results.chat.chatters if results.chat else None,
        "clip_bytes": len(clip.payload.read()),
        "manifest_bytes": manifest.files["clips/01.mp4"].size,
        "cues": srt.count("-->"),
        "verdict": judged.verdict,
    }


def refused(client: Client, job_id: str) -> list[ErrorCode]:
    """The codes of a few errors, and that the job has none."""
    job, page = get_analysis.sync(job_id, client=client), list_analyses.sync(client=client, limit=5)
    assert isinstance(job, Job)
    assert job.error is None
    assert isinstance(page, JobPage)
    problems = [
        get_analysis.sync("nobody", client=client),
        submit_analysis.sync(client=client, body=Submission(url="https://example.com")),
    ]
    return [problem.code for problem in problems if isinstance(problem, Problem)]


if __name__ == "__main__":
    with Client(base_url=sys.argv[1], raise_on_unexpected_status=True) as client:
        job_id = submit(client).job_id
        status = follow(client, job_id).status
        told = {"status": status, **fetched(client, job_id), "refused": refused(client, job_id)}
    print(json.dumps(told))
