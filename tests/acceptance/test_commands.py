"""The two commands of the README, as processes in a terminal would run them."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from shared.settings import Settings
from tests.acceptance.conftest import Api
from tests.conftest import ROOT, wait_until

STOPPED_WITHIN_S = 10
SETTING_NAMES = {name.upper() for name in Settings.__dataclass_fields__}


def environment(data_dir: Path, **variables: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if name not in SETTING_NAMES}
    return {**clean, "DATA_DIR": str(data_dir), **variables}


@contextmanager
def started(command: str, variables: dict[str, str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The command in a process group of its own, as a terminal starts it."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", "web", command],
            env=variables,
            cwd=ROOT,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(20)


def test_the_demo_shows_the_highlights_and_the_clips_and_ends_well(tmp_path: Path) -> None:
    demo = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "web", "demo"],
        env=environment(tmp_path / "data"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert demo.returncode == 0, demo.stdout + demo.stderr
    clips = re.findall(r"\S+/clips/\d\d\.mp4", demo.stdout.replace("\n", ""))
    assert len(clips) >= 3, demo.stdout
    assert all(Path(clip).is_file() for clip in clips)
    assert "funny" in demo.stdout


def test_ctrl_c_ends_every_process_of_make_up_within_ten_seconds(tmp_path: Path) -> None:
    log = tmp_path / "up.log"
    with started("up", environment(tmp_path / "data", PORT="0"), log) as up:
        wait_until(lambda: "ready at" in log.read_text(), seconds=120, every=0.2)
        family = psutil.Process(up.pid).children(recursive=True)
        with Api(log.read_text().split("ready at ")[1].split()[0]) as api:
            api.submit("file:demo.mp4")
            wait_until(lambda: api.http.get("/api/v1/jobs").json()["jobs"][0]["status"] != "queued", seconds=30)

        os.killpg(up.pid, signal.SIGINT)
        pressed = time.monotonic()
        up.wait(STOPPED_WITHIN_S)

    _, alive = psutil.wait_procs(family, timeout=max(0.0, STOPPED_WITHIN_S - (time.monotonic() - pressed)))
    assert alive == []
    assert len(family) >= 7


@pytest.mark.parametrize(
    ("command", "number", "is_to_all"),
    [
        ("{python} -m flask --app web up", signal.SIGINT, False),
        ("{python} -m flask --app web up", signal.SIGTERM, False),
        # `setup` was made by who runs the tests.
        ("make -o setup up", signal.SIGTERM, False),
        ("make -o setup up", signal.SIGINT, True),
    ],
)
def test_in_the_background_of_a_script_each_signal_ends_the_stack_cleanly(
    tmp_path: Path, command: str, number: signal.Signals, is_to_all: bool
) -> None:
    log = tmp_path / "up.log"
    # As a shell without job control starts what has a & behind it
    script = ["sh", "-c", f"trap '' INT; exec {command.format(python=sys.executable)}"]
    variables = environment(tmp_path / "data", PORT="0")
    with log.open("wb") as output:
        up = subprocess.Popen(script, env=variables, cwd=ROOT, stdout=output, stderr=output, start_new_session=True)
    try:
        wait_until(lambda: "ready at" in log.read_text(), seconds=120, every=0.2)
        family = psutil.Process(up.pid).children(recursive=True)

        (os.killpg if is_to_all else os.kill)(up.pid, number)
        (os.killpg if is_to_all else os.kill)(up.pid, number)  # an impatient second time
        up.wait(2 * STOPPED_WITHIN_S)
    finally:
        if up.poll() is None:
            up.terminate()
            up.wait(20)

    _, alive = psutil.wait_procs(family, timeout=STOPPED_WITHIN_S)
    assert alive == []
    assert len(family) >= 7
    assert "klipstream: stopped" in log.read_text()


def test_a_second_stack_in_the_same_folder_is_refused_with_one_line(tmp_path: Path) -> None:
    log, variables = tmp_path / "up.log", environment(tmp_path / "data", PORT="0")
    with started("up", variables, log):
        wait_until(lambda: (tmp_path / "data" / "run" / "url").exists(), seconds=60, every=0.2)

        second = subprocess.run(
            [sys.executable, "-m", "flask", "--app", "web", "up"],
            env=variables,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert second.returncode != 0
    assert len(second.stderr.strip().splitlines()) == 1
    assert "already" in second.stderr
