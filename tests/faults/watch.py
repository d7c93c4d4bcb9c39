"""What really happened in a stack, read from its logs: which process worked on which stage, from when to when."""

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from shared.stages import STAGE_BY_NAME

ENDS = frozenset(
    {"stage_finished", "stage_stopped", "stage_retried", "stage_failed", "stage_given_back", "stage_killed"}
)
STEP_S = 0.1


class Run(NamedTuple):
    """One claim of one stage. Times are seconds since 1970."""

    job_id: str
    stage: str
    token: int
    began: float
    ended: float

    @property
    def queue(self) -> str:
        return STAGE_BY_NAME[self.stage].queue


def _lines(logs: Path) -> Iterator[dict[str, Any]]:
    for path in logs.glob("worker-*.log*"):
        for line in path.read_text(errors="replace").splitlines():
            if line.startswith("{") and '"token"' in line:
                yield json.loads(line)


def runs(logs: Path, deaths: dict[int, float]) -> list[Run]:
    """Every claim, by its beginning.

    deaths: when which process was killed; what such a process worked on has no other end.
    """
    began: dict[tuple[str, str, int], tuple[float, int]] = {}
    ended: dict[tuple[str, str, int], float] = {}
    for line in _lines(logs):
        key = (line["job_id"], line["stage"], line["token"])
        at = datetime.fromisoformat(line["timestamp"]).timestamp()
        if line["event"] == "stage_started":
            began[key] = (at, int(line["holder"].split(":")[1]))
        elif line["event"] in ENDS:
            ended[key] = max(at, ended.get(key, 0.0))
    found = [
        Run(*key, at, ended[key] if key in ended else deaths.get(pid, float("inf"))) for key, (at, pid) in began.items()
    ]
    return sorted(found, key=lambda run: run.began)


def at_once(found: list[Run], *, tolerance_s: float = 0.2) -> list[tuple[Run, Run]]:
    """Pairs of claims of one stage of one job that overlap, or whose tokens don't grow."""
    of_stage: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in found:
        of_stage[run.job_id, run.stage].append(run)
    return [
        (first, second)
        for claims in of_stage.values()
        for first, second in pairwise(claims)
        if second.began < first.ended - tolerance_s or second.token <= first.token
    ]


def longest_wait_beside_a_free_child(found: list[Run], *, after: float, children: dict[str, int]) -> float:
    """The longest that a job waited for its next claim while its pool had a child with nothing to do, in seconds.

    children: how many each queue's pool has. Only what lies behind `after` counts. A pool that is down is free.
    """
    of_job: dict[str, list[Run]] = defaultdict(list)
    for run in found:
        of_job[run.job_id].append(run)
    longest = 0.0
    for claims in of_job.values():
        for first, second in pairwise(claims):
            others = [run for run in found if run.queue == second.queue]
            longest = max(longest, _free_s(others, max(first.ended, after), second.began, children[second.queue]))
    return round(longest, 1)


def _free_s(others: list[Run], begin: float, end: float, children: int) -> float:
    steps = range(max(0, int((end - begin) / STEP_S)))
    busy = (sum(run.began <= begin + step * STEP_S < run.ended for run in others) for step in steps)
    return sum(count < children for count in busy) * STEP_S
