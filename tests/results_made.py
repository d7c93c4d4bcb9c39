"""What a completed job shows of its results."""

from shared.records import Results


def results(job_id: str = "job1", *, highlights: int = 3, **urls: str | None) -> Results:
    """urls: by the names of URL_FILES; the others are None."""
    shown = {"highlights": highlights, "clips": 0, "files": 1, "results_url": f"/api/v1/analysis/{job_id}/results"}
    return Results.of(shown | urls)
