"""The worker of `bench.pipeline`: five stages that do nothing under `@stage`, and one bare task."""

from shared.jobs import Job
from shared.progress import Progress
from shared.stages import STAGES
from tasks.stage import Limits, stage
from tasks.workspace import Outcome, Workspace
from workers.app import TASK_MODULES, app, job_store

BARE = "bench.bare"
TASK_MODULES.clear()


def done_key(number: int) -> str:
    return f"bench:done:{number}"


@app.task(name=BARE)
def bare(key: str) -> None:
    job_store().redis.incr(key)


def _nothing(name: str) -> None:
    @stage(name, limits=Limits())
    def work(job: Job, work: Workspace, report: Progress) -> Outcome:
        """Three reports and one small file."""
        for step in (0.3, 0.6, 1.0):
            report(step)
        (work.folder / f"{name}.txt").write_text(name)
        return Outcome(files=(f"{name}.txt",))


for row in STAGES:
    _nothing(row.name)
