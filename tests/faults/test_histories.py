"""200 random histories of a Twitch that fails now and then, against the real source: in the end everything is as in
peace, byte for byte, or the stage fails with a typed error.

`HISTORIES` and `HISTORIES_SEED` set how many, and which.
"""

import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from shared import jobs
from shared.errors import KlipError
from shared.jobs import Job
from shared.net.deadline import AnswerLimits
from shared.net.retry import RetryPolicy
from shared.progress import silent
from tasks.retries import is_final
from tests.jobs_made import claimed, new_job
from tests.peers.twitch_process import TwitchPeer, running_twitch
from workers.download.twitch import TwitchSource

HISTORIES = int(os.environ.get("HISTORIES", "200"))
SEED = int(os.environ.get("HISTORIES_SEED", "20261126"))
SECONDS = 24
SEGMENTS = SECONDS // 2
COMMENTS = 400
RANGES = 2
PAGES = 30  # that are asked for in a history, about
WORST_SHARE = 0.3  # of the answers
STALL_S = 0.6  # longer than the patience below
PATIENCE = AnswerLimits(connect_s=1.0, silence_s=0.4)
QUICK = RetryPolicy(attempts=4, base_s=0.005, cap_s=0.02)

Do = dict[str, Any]
ANY: tuple[Do, ...] = (
    *({"status": status} for status in (500, 502, 503, 408)),
    {"status": 429},
    {"status": 429, "headers": {"Retry-After": "0"}},
    {"truncate": 0.5},
    {"truncate": 0.0},
    {"told": 700},
    {"stall_s": STALL_S},
)
OF_SEGMENTS: tuple[Do, ...] = (
    *ANY,
    {"body": "", "status": 200},
    {"body": "<html>", "status": 200},
    {"told": -300},
    {"status": 206, "body": "short"},
)
OF_PAGES: tuple[Do, ...] = (
    *ANY,
    {"merge": None},
    {"merge": {"video": {"comments": None}}},
    {"merge": {"video": {"comments": {"edges": None}}}},
    {"body": {"errors": [{"message": "service timeout"}], "data": None}, "status": 200},
    {"body": "<html>", "status": 200},
    {"body": "[]", "status": 200},
)


@dataclass
class Tally:
    """What the histories came to."""

    ends: Counter[str] = field(default_factory=Counter)
    faults: int = 0
    tries: int = 0


TALLY = Tally()


def planned(count: int, kinds: tuple[Do, ...]) -> st.SearchStrategy[dict[int, Do]]:
    """Which of `count` answers go wrong, and how."""
    return st.dictionaries(st.integers(0, count - 1), st.sampled_from(kinds), max_size=int(WORST_SHARE * count))


@pytest.fixture(scope="module")
def twitch() -> Iterator[TwitchPeer]:
    with running_twitch() as peer, pytest.MonkeyPatch.context() as patch:
        patch.setattr("workers.download.graphql.LIMITS", PATIENCE)
        yield peer


@pytest.fixture(scope="module")
def in_peace(twitch: TwitchPeer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    twitch.fresh(seconds=SECONDS, comments=COMMENTS)
    return {name: had(twitch, tmp_path_factory.mktemp("peace"), fetch) for name, fetch in FETCHES.items()}


def source(twitch: TwitchPeer) -> TwitchSource:
    return twitch.source(retry=QUICK, segment_retry=QUICK, read_timeout_s=PATIENCE.silence_s, chat_ranges=RANGES)


def fetch_sound(twitch: TwitchPeer, into: Path) -> None:
    source(twitch).fetch_sound(into, work=into.parent, progress=silent)


def fetch_chat(twitch: TwitchPeer, into: Path) -> None:
    source(twitch).fetch_chat(into, work=into.parent, progress=silent)


FETCHES: dict[str, Callable[[TwitchPeer, Path], None]] = {"download": fetch_sound, "chat": fetch_chat}


def had(twitch: TwitchPeer, folder: Path, fetch: Callable[[TwitchPeer, Path], None]) -> bytes:
    """What is fetched into a folder. Raises the typed error when the stage would fail."""
    folder.mkdir(exist_ok=True)
    into = folder / "fetched"
    job = claimed(new_job())
    while True:
        TALLY.tries += 1
        try:
            fetch(twitch, into)
        except KlipError as error:
            if is_final(job, error):
                raise
            job = tried_again(job, error)
        else:
            return into.read_bytes()


def tried_again(job: Job, error: KlipError) -> Job:
    """The job as the stage leaves it when it is tried again: at once, the waits are not what is tested here."""
    back = jobs.put_back(job, token=job.token, error=error, delay_s=0.0, now=jobs.utc_now())
    return replace(claimed(back), holder=job.holder)


def test_random_histories_end_as_in_peace_or_typed(
    twitch: TwitchPeer, in_peace: dict[str, bytes], tmp_path: Path, figures: dict[str, Any]
) -> None:
    @seed(SEED)
    @settings(
        max_examples=HISTORIES, deadline=None, database=None, suppress_health_check=list(HealthCheck), print_blob=True
    )
    @given(segments=planned(2 * SEGMENTS, OF_SEGMENTS), pages=planned(PAGES, OF_PAGES))
    def history(segments: dict[int, Do], pages: dict[int, Do]) -> None:
        twitch.fresh(seconds=SECONDS, comments=COMMENTS)
        plans = {"comments:": [pages.get(number) for number in range(PAGES)]}
        for number in range(SEGMENTS):
            plans[f"segment:audio_only/{number}.ts"] = [segments.get(number), segments.get(number + SEGMENTS)]
        twitch.control(plans=plans)
        TALLY.faults += len(segments) + len(pages)
        for name, fetch in FETCHES.items():
            folder = tmp_path / name
            shutil.rmtree(folder, ignore_errors=True)
            try:
                assert had(twitch, folder, fetch) == in_peace[name], f"{name} is not what it is in peace"
                TALLY.ends[f"{name}: as in peace"] += 1
            except KlipError as error:
                TALLY.ends[f"{name}: {error.code}"] += 1

    history()
    figures |= {
        "histories": HISTORIES,
        "seed": SEED,
        "faults": TALLY.faults,
        "tries": TALLY.tries,
        "ends": dict(sorted(TALLY.ends.items())),
        "threads_left": threading.active_count(),
    }
    assert sum(TALLY.ends.values()) >= 2 * HISTORIES
    assert all(TALLY.ends[f"{name}: as in peace"] > 0.9 * HISTORIES for name in FETCHES), TALLY.ends
