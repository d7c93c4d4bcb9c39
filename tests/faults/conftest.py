"""A stack of short Twitch VODs to do harm to."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.peers.twitch_process import TwitchPeer, running_twitch

SEED = 20261122
VODS = tuple(str(9000 + number) for number in range(60))
SECONDS = 12


@pytest.fixture(scope="module")
def peer() -> Iterator[TwitchPeer]:
    with running_twitch() as running:
        running.fresh()
        running.control(vods=[{"id": vod, "seconds": SECONDS, "comments": 40} for vod in VODS])
        yield running


@pytest.fixture
def dice() -> random.Random:
    """Chance with a fixed, printed seed."""
    print(f"seed {SEED}")
    return random.Random(SEED)


def workers_of(supervisor: int) -> list[psutil.Process]:
    """Every process of the pools, parents and children."""
    found = []
    for process in psutil.Process(supervisor).children(recursive=True):
        try:
            if "worker" in process.cmdline():
                found.append(process)
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


def log_events(logs: Path, name: str) -> list[dict[str, Any]]:
    """The log lines of this event of all pools."""
    found = []
    for path in logs.glob("worker-*.log*"):
        for line in path.read_text(errors="replace").splitlines():
            if f'"event": "{name}"' in line:
                found.append(json.loads(line))
    return found
