"""What the commands make of their arguments, and what they show."""

from io import StringIO
from pathlib import Path
from typing import cast

import click
import pytest
from rich.console import Console

from clients.python.klipstream_client import Event, Job, JobStatus, Progress, Results
from tests.conftest import SettingsMaker
from web.cli.analyze import base_url, source_name
from web.cli.display import clock, jobs_shown, progress_shown, results_shown

STORY: tuple[tuple[JobStatus, float], ...] = (
    ("queued", 0),
    ("downloading", 5),
    ("downloading", 9),
    ("completed", 100),
)


def progress(percent: float, stage: str | None = None, done: dict[str, float] | None = None) -> Progress:
    members = {"percentage": percent, "waiting": None, "current_stage": stage, "stage_progress": done or {}}
    return cast("Progress", members)


def shown(width: int = 120) -> tuple[Console, StringIO]:
    text = StringIO()
    return Console(file=text, width=width), text


def test_a_running_stack_is_found_by_the_address_it_wrote_down(make_settings: SettingsMaker, tmp_path: Path) -> None:
    (tmp_path / "data" / "run").mkdir(parents=True)
    (tmp_path / "data" / "run" / "url").write_text("http://127.0.0.1:4567")

    assert base_url(make_settings()) == "http://127.0.0.1:4567"
    assert base_url(make_settings(PORT="3001")) == "http://127.0.0.1:3001"


def test_a_server_on_every_address_is_asked_on_this_machine(make_settings: SettingsMaker) -> None:
    assert (
        base_url(make_settings(HOST="0.0.0.0", PORT="3001", API_KEYS="a:key-of-a-is-long-enough"))
        == "http://127.0.0.1:3001"
    )


def test_a_file_inside_the_media_folder_is_named_by_its_place_there(
    make_settings: SettingsMaker, tmp_path: Path
) -> None:
    (tmp_path / "night").mkdir()
    (tmp_path / "night" / "a.mp4").touch()
    config = make_settings(LOCAL_MEDIA_DIR=str(tmp_path))

    assert source_name(str(tmp_path / "night" / "a.mp4"), config) == "file:night/a.mp4"
    assert source_name("https://www.twitch.tv/videos/1", config) == "https://www.twitch.tv/videos/1"
    assert source_name("123456", config) == "123456"
    assert source_name("twitch.tv/videos/1?" + "a" * 300, config) == "twitch.tv/videos/1?" + "a" * 300
    assert source_name("~nobody/a.mp4", config) == "~nobody/a.mp4"
    assert source_name("file:a.mp4", config) == "file:a.mp4"


def test_a_file_that_the_stack_can_not_see_is_refused(make_settings: SettingsMaker, tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    (tmp_path / "a.mp4").touch()

    with pytest.raises(click.BadParameter, match="is not inside"):
        source_name(str(tmp_path / "a.mp4"), make_settings(LOCAL_MEDIA_DIR=str(tmp_path / "media")))


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00:00"), (61.9, "0:01:01"), (36_000, "10:00:00")])
def test_times_are_shown_as_on_a_player(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_highlights_are_shown_with_the_paths_of_their_clips(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "01.mp4").touch()
    highlight: dict[str, object] = {"start_seconds": 60, "end_seconds": 90, "score": 0.91234, "emotion": "funny"}
    results = {
        "job_id": "j",
        "video": {"title": "A [bold]night[/bold]"},
        "highlights": [
            highlight | {"rank": 1, "title": "Laughter", "reasons": ["12x chat"], "clip_url": "/x/files/clips/01.mp4"},
            highlight | {"rank": 2, "title": None, "reasons": [], "clip_url": "/x/files/clips/02.mp4"},
        ],
        "warnings": ["No chat."],
    }
    console, text = shown()

    results_shown(console, cast("Results", results), base_url="http://host", folder=tmp_path)

    assert "A [bold]night[/bold]" in text.getvalue()
    assert "0:01:00-0:01:30" in text.getvalue()
    assert str(tmp_path / "clips" / "01.mp4") in text.getvalue().replace("\n", "")
    assert "http://host/x/files/clips/02.mp4" in text.getvalue()
    assert "No chat." in text.getvalue()


def test_without_a_terminal_each_change_of_status_is_a_line() -> None:
    console, text = shown()

    with progress_shown(console) as show:
        for status, percent in STORY:
            show(Event("progress", "j", status, progress(percent)))

    assert text.getvalue().split("\n")[:3] == ["  0.0 %  queued", "  5.0 %  downloading", "100.0 %  completed"]


def test_on_a_terminal_every_stage_has_a_bar() -> None:
    text = StringIO()
    console = Console(file=text, width=100, force_terminal=True)
    done = {"download": 100.0, "chat": 40.0}

    with progress_shown(console) as show:
        how_far = progress(32.0, "chat", done)
        show(Event("progress", "j", "fetching_chat", how_far))

    assert "Downloading" in text.getvalue()
    assert "Fetching chat" in text.getvalue()
    assert "32.0" in text.getvalue()


def test_jobs_are_listed_with_their_whole_ids() -> None:
    console, text = shown(width=20)
    job: dict[str, object] = {
        "job_id": "f" * 32,
        "status": "queued",
        "attempt": 1,
        "created_at": "2026-01-01T00:00:00.000Z",
        "url": "1",
    }

    jobs_shown(console, [cast("Job", job | {"progress": progress(12.4)})])

    assert "f" * 32 in text.getvalue()
    assert "12" in text.getvalue()
