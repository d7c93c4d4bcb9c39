"""Stand-ins for a stack to do harm to. The chance has a fixed seed; the run ends with one JSON line of figures."""

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.peers import deepgram
from tests.peers.processes import listening
from tests.peers.twitch_process import TwitchPeer, running_twitch

SEED = 20261122
VODS = tuple(str(9000 + number) for number in range(60))
SECONDS = 12
FIGURES: dict[str, dict[str, Any]] = {}


@pytest.fixture(scope="module")
def peer() -> Iterator[TwitchPeer]:
    """Twitch, with VODS of SECONDS each."""
    with running_twitch() as running:
        running.fresh()
        running.control(vods=[{"id": vod, "seconds": SECONDS, "comments": 40} for vod in VODS])
        yield running


@pytest.fixture(scope="module")
def listener() -> Iterator[dict[str, str]]:
    """Deepgram, as the settings that point at it: for jobs that shall not cost a whisper."""
    with TemporaryDirectory() as folder:
        port_file = Path(folder) / "port"
        command = [sys.executable, "-m", "tests.peers.deepgram", "--port-file", str(port_file)]
        with listening(command, port_file=port_file) as port:
            yield {"DEEPGRAM_API_KEY": deepgram.KEY, "DEEPGRAM_BASE_URL": f"http://127.0.0.1:{port}"}


@pytest.fixture
def dice() -> random.Random:
    """Chance with a fixed, printed seed."""
    print(f"seed {SEED}")
    return random.Random(SEED)


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What a test measured; printed at the end of the run."""
    return FIGURES.setdefault(request.node.name, {})


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome: Any = yield
    report = outcome.get_result()
    if report.when == "call" or report.failed:
        FIGURES.setdefault(item.name, {})["outcome"] = report.outcome


def pytest_unconfigure() -> None:
    print(json.dumps({"faults": FIGURES, "seed": SEED}))
