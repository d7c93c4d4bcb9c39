"""Kill -9 in the middle of a download: the next try goes on where the last one was."""

import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.conftest import ROOT, wait_until
from tests.peers.twitch_fetch import AT_ONCE
from tests.peers.twitch_process import TwitchPeer, running_twitch
from workers.download.fetch_loop import SPOOLED_AHEAD


@pytest.fixture(scope="module")
def twitch() -> Iterator[TwitchPeer]:
    with running_twitch() as peer:
        yield peer


def start(twitch: TwitchPeer, what: str, folder: Path) -> "subprocess.Popen[bytes]":
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "tests.peers.twitch_fetch", twitch.base, what, str(folder / "out"), str(folder)]
    return subprocess.Popen(command, cwd=ROOT)


def digest(folder: Path) -> str:
    return sha256((folder / "out").read_bytes()).hexdigest()


@pytest.mark.parametrize(("what", "media"), [("sound", "ts"), ("picture", "fmp4")])
def test_a_killed_download_goes_on_behind_its_last_segment(
    twitch: TwitchPeer, tmp_path: Path, what: str, media: str
) -> None:
    # Given an undisturbed run
    vod = {"seconds": 120, "media": media, "missing": [31], "resets": [20] if media == "ts" else []}
    twitch.fresh(**vod)
    assert start(twitch, what, tmp_path / "calm").wait(60) == 0

    # When another one is killed twice on the way
    twitch.fresh(**vod)
    twitch.control(link={"latency_ms": 150})
    for seen in (12, 33):
        process = start(twitch, what, tmp_path / "killed")
        wait_until(lambda seen=seen: twitch.count("segment") >= seen, seconds=30)  # type: ignore[misc]
        process.kill()
        process.wait(10)
    twitch.control(link={})
    assert start(twitch, what, tmp_path / "killed").wait(60) == 0

    # Then only what was in flight came again, and the file is the same
    rendition = "audio_only" if what == "sound" else "chunked"
    asked = twitch.asked(f"segment:{rendition}/")
    again = sum(count - 1 for name, count in asked.items() if not name.startswith(("init", "31")))
    assert 0 < again <= 2 * (AT_ONCE + SPOOLED_AHEAD)
    assert digest(tmp_path / "calm") == digest(tmp_path / "killed")


def test_a_killed_chat_goes_on_behind_its_last_pages(twitch: TwitchPeer, tmp_path: Path) -> None:
    # Given an undisturbed run
    twitch.fresh(seconds=3600, comments=6000)
    twitch.control(integrity=[])
    assert start(twitch, "chat", tmp_path / "calm").wait(60) == 0
    undisturbed = twitch.count("comments")

    # When another one is killed twice on the way
    twitch.fresh(seconds=3600, comments=6000)
    twitch.control(link={"latency_ms": 80}, integrity=[])
    for seen in (30, 80):
        process = start(twitch, "chat", tmp_path / "killed")
        wait_until(lambda seen=seen: twitch.count("comments") >= seen, seconds=30)  # type: ignore[misc]
        process.kill()
        process.wait(10)
    twitch.control(link={})
    assert start(twitch, "chat", tmp_path / "killed").wait(60) == 0

    # Then at most the pages in flight came again, and the file is the same
    assert twitch.count("comments") <= undisturbed + 2 * 4
    assert digest(tmp_path / "calm") == digest(tmp_path / "killed")
