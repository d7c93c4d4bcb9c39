"""What the web needs to start, as a process of its own."""

import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT


def test_the_web_starts_without_what_only_workers_need(tmp_path: Path) -> None:
    heavy = ("numpy", "av", "faster_whisper", "matplotlib")
    code = f"import sys, web; web.app; print([name for name in {heavy} if name in sys.modules])"

    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={"DATA_DIR": str(tmp_path), "PATH": ""},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.stdout.strip() == "[]"


def test_a_wrong_setting_stops_the_start_with_one_line(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", "import web; web.app"],
        env={"DATA_DIR": str(tmp_path), "PORT": "http", "PATH": ""},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ran.returncode, ran.stderr) == (1, "klipstream: PORT is not a number\n")
