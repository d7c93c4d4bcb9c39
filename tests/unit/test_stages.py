"""A stage is a row and a module: what else has to know of it is named here when it does not."""

import re
from importlib.util import find_spec
from pathlib import Path

from shared.stages import QUEUES, STAGES, JobStatus, title_of
from web.cli.stack import pools

ROOT = Path(__file__).resolve().parents[2]


def test_every_stage_has_a_module_of_its_name() -> None:
    assert [stage.task for stage in STAGES if find_spec(stage.task) is None] == []


def test_the_shares_of_the_progress_follow_each_other() -> None:
    ends = [end for stage in STAGES for end in stage.share]

    assert ends == sorted(ends)
    assert (ends[0], ends[-1]) == (0, 100)
    assert ends[1:-1:2] == ends[2::2]


def test_every_queue_has_a_pool_on_one_machine() -> None:
    commands = [program.command for program in pools()]

    assert [queue for queue in QUEUES if not any(f"-Q {queue} " in command for command in commands)] == []


def of_the_console(table: str) -> dict[str, str]:
    found = re.search(rf"const {table} = \{{(.*?)\}};", (ROOT / "web/console/console.js").read_text(), re.DOTALL)
    assert found is not None
    return dict(re.findall(r"(\w+): \"([^\"]+)\"", found[1]))


def test_the_console_shows_every_stage_by_its_title() -> None:
    assert of_the_console("STAGES") == {stage.name: stage.title for stage in STAGES}


def test_the_console_has_words_for_every_status() -> None:
    assert of_the_console("STATUS") == {status.value: title_of(status) for status in JobStatus}


def test_convex_accepts_the_title_of_every_status() -> None:
    accepted = re.search(r"const status = v.union\((.*?)\);", (ROOT / "convex/video.ts").read_text(), re.DOTALL)

    assert accepted is not None
    assert set(re.findall(r"v\.literal\(\"([^\"]+)\"\)", accepted[1])) == {title_of(status) for status in JobStatus}


def test_operators_are_told_of_every_pool_as_it_is_started() -> None:
    told = (ROOT / "docs/operators.md").read_text()
    started = [re.search(r"celery -A workers\.app worker -Q \w+ -c \d+", pool.command) for pool in pools()]

    assert [command[0] for command in started if command and f"`{command[0]}`" not in told] == []


def test_the_readme_draws_every_stage_in_its_order() -> None:
    assert " ─▶ ".join(stage.name for stage in STAGES) in (ROOT / "README.md").read_text()
