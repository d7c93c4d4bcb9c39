"""A stack of short Twitch VODs to do harm to."""

import random
from collections.abc import Iterator

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
