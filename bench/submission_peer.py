"""What submissions are measured beside: FastAPI that validates, makes an id, keeps the job in memory and does nothing.

`uvicorn bench.submission_peer:app`. Nothing of it outlives the process.
"""

from typing import Annotated, Literal
from uuid import uuid4

from fastapi import BackgroundTasks, FastAPI, HTTPException
from pydantic import BaseModel, Field

app = FastAPI()
_jobs: dict[str, "Job"] = {}


class Options(BaseModel):
    highlights: Annotated[int, Field(ge=1, le=50)] = 10
    clips: bool | Literal["vertical"] = True


class Submission(BaseModel):
    url: Annotated[str, Field(min_length=1, max_length=2048, pattern=r"^https://www\.twitch\.tv/videos/\d+$")]
    options: Options = Options()


class Job(BaseModel):
    job_id: str
    status: str
    url: str
    options: Options


def _work(job: Job) -> None:
    job.status = "completed"


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/api/v1/analysis", status_code=202)
async def submit(body: Submission, tasks: BackgroundTasks) -> Job:
    job = Job(job_id=uuid4().hex, status="queued", url=body.url, options=body.options)
    _jobs[job.job_id] = job
    tasks.add_task(_work, job)
    return job


@app.get("/api/v1/analysis/{job_id}")
async def status(job_id: str) -> Job:
    if job_id not in _jobs:
        raise HTTPException(404)
    return _jobs[job_id]
