"""What the commands show: a bar per stage, the highlights, the list of jobs."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from clients.python.klipstream_client import Event, Job, Results
from shared.stages import STAGES

Show = Callable[[Event], None]


@contextmanager
def progress_shown(console: Console) -> Iterator[Show]:
    """Bars on a terminal; where there is none, a line whenever the status changes. Yields what to call with events."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (TextColumn("{task.description:<20}"), BarColumn(), TextColumn("{task.percentage:>5.1f} %"))
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        yield _Bars(progress)


class _Bars:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {
            stage.name: progress.add_task(stage.title, total=100, start=False) for stage in STAGES
        }
        self._total = progress.add_task("[bold]Total", total=100)

    def __call__(self, event: Event) -> None:
        at = event.progress
        for stage, task in self._tasks.items():
            percent = at["stage_progress"].get(stage, 0)
            if percent > 0 or at["current_stage"] == stage:
                self._progress.start_task(task)
            self._progress.update(task, completed=percent)
            if percent >= 100:
                self._progress.stop_task(task)
        waiting = at.get("waiting")
        title = waiting["text"] if waiting else "Total"
        self._progress.update(self._total, completed=at["percentage"], description=f"[bold]{title}")


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = ""

    def __call__(self, event: Event) -> None:
        waiting = event.progress["waiting"]
        # Between two stages a job waits for a worker for a moment; that is no news.
        status = waiting["text"] if waiting and waiting["reason"] != "worker" else event.status
        if status != self._status:
            self._status = status
            self._console.print(f"{event.progress['percentage']:5.1f} %  {self._status}", highlight=False)


def results_shown(console: Console, results: Results, *, base_url: str, folder: Path | None) -> None:
    """The ranked highlights and where their clips are: files when `folder` has them, else addresses."""
    video = results["video"]
    table = Table(title=escape((video and video["title"]) or results["job_id"]), show_lines=True, expand=True)
    for column in _COLUMNS:
        table.add_column(column.name, justify=column.justify, no_wrap=column.no_wrap, ratio=column.ratio)
    for highlight in results["highlights"]:
        reasons = [f"- {reason}" for reason in highlight["reasons"]]
        table.add_row(
            str(highlight["rank"]),
            f"{clock(highlight['start_seconds'])}-{clock(highlight['end_seconds'])}",
            f"{highlight['score']:.2f}",
            str(highlight["emotion"] or ""),
            escape("\n".join([str(highlight["title"] or ""), *reasons]).strip()),
        )
    console.print(table)
    for highlight in results["highlights"]:
        if highlight["clip_url"]:
            console.print(
                f"{highlight['rank']:>3}  {_place(highlight['clip_url'], base_url, folder)}",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )
    for warning in results["warnings"]:
        console.print(f"Note: {warning}", style="yellow", markup=False, highlight=False)


class _Column(NamedTuple):
    name: str
    justify: Literal["left", "right"] = "left"
    no_wrap: bool = True
    ratio: int | None = None


_COLUMNS = (
    _Column("#", justify="right"),
    _Column("when"),
    _Column("score"),
    _Column("emotion"),
    _Column("why", no_wrap=False, ratio=1),
)


def _place(url: str, base_url: str, folder: Path | None) -> str:
    if folder is not None and (path := folder / url.partition("/files/")[2]).is_file():
        return str(path)
    return base_url + url


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def jobs_shown(console: Console, jobs: Sequence[Job]) -> None:
    """One line a job, never cut: its id is what other commands take."""
    for job in jobs:
        percent = f"{job['progress']['percentage']:.0f} %"
        line = f"{job['job_id']}  {job['created_at'][:19]}  {job['status']:<18} {percent:>5}  {job['url']}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
