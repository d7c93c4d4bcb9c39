"""Recordings below the media folder, and nothing else."""

import os
import socket
from pathlib import Path

import pytest

from shared.errors import (
    ChatUnavailable,
    FileMissing,
    PermissionDenied,
    UnsupportedFormat,
    VideoSizeExceeded,
)
from shared.progress import silent
from tasks.chat_files import chat_file, check_chat_file
from tests.conftest import SettingsMaker
from tests.recordings import AAC, H264, PICTURE, ffmpeg, recording
from workers.download.local import LocalSource


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    folder.mkdir()
    return folder


def source(root: Path, name: str, *, max_hours: float = 12) -> LocalSource:
    return LocalSource(name, root=root, max_hours=max_hours)


def test_a_recording_is_described_fetched_and_is_its_own_part(root: Path, tmp_path: Path) -> None:
    recording(root / "stream one.mp4", seconds=2)
    local = source(root, "stream one.mp4")

    video = local.describe()
    sound = local.fetch_sound(tmp_path / "audio.m4a", work=tmp_path, progress=silent)
    local.fetch_video(tmp_path / "video.mp4", work=tmp_path, progress=silent)
    part = local.fetch_part(0.5, 1.0, work=tmp_path)

    assert (video.id, video.source, video.title) == ("file:stream one.mp4", "local", "stream one")
    assert video.duration_seconds == pytest.approx(2.0, abs=0.1)
    assert (video.channel, video.watch_url, video.views) == (None, None, None)
    assert sound.duration_seconds == pytest.approx(2.0, abs=0.1)
    assert (tmp_path / "video.mp4").stat().st_size > 1000
    assert part == (root / "stream one.mp4", 0.0, 0)


def test_sound_alone_has_no_part(root: Path, tmp_path: Path) -> None:
    recording(root / "a.mp3", "-map", "1", "-c:a", "libmp3lame", seconds=1)

    assert source(root, "a.mp3").fetch_part(0, 1, work=tmp_path) is None


def test_folders_below_the_media_folder_count_too(root: Path) -> None:
    (root / "2024").mkdir()
    recording(root / "2024" / "a.mp4", seconds=1)

    assert source(root, "2024/a.mp4").describe().title == "a"


@pytest.mark.parametrize("name", ["../secret.mp4", "2024/../../secret.mp4", "/etc/passwd", "..", "~/secret.mp4"])
def test_names_that_lead_out_are_denied(root: Path, tmp_path: Path, name: str) -> None:
    recording(tmp_path / "secret.mp4", seconds=1)

    with pytest.raises(PermissionDenied):
        source(root, name).describe()


def test_a_link_that_leads_out_is_denied_and_one_inside_is_followed(root: Path, tmp_path: Path) -> None:
    recording(tmp_path / "secret.mp4", seconds=1)
    recording(root / "inside.mp4", seconds=1)
    (root / "out.mp4").symlink_to(tmp_path / "secret.mp4")
    (root / "in.mp4").symlink_to(root / "inside.mp4")
    (root / "up").symlink_to(tmp_path)

    assert source(root, "in.mp4").describe().duration_seconds == pytest.approx(1, abs=0.1)
    for name in ("out.mp4", "up/secret.mp4"):
        with pytest.raises(PermissionDenied):
            source(root, name).describe()


def test_a_media_folder_that_is_a_link_itself_works(root: Path, tmp_path: Path) -> None:
    recording(root / "a.mp4", seconds=1)
    (tmp_path / "linked").symlink_to(root)

    assert source(tmp_path / "linked", "a.mp4").describe().title == "a"


@pytest.mark.parametrize("name", ["none.mp4", "", "a\0b.mp4", "line\nbreak.mp4", "x" * 300 + ".mp4", "a.mp4/b.mp4"])
def test_what_is_not_there_is_told_as_missing(root: Path, name: str) -> None:
    (root / "a.mp4").write_text("")

    with pytest.raises(FileMissing):
        source(root, name).describe()


def test_links_in_a_circle_are_told_as_missing(root: Path) -> None:
    (root / "a.mp4").symlink_to(root / "b.mp4")
    (root / "b.mp4").symlink_to(root / "a.mp4")

    with pytest.raises(FileMissing):
        source(root, "a.mp4").describe()


def test_folders_pipes_and_sockets_are_refused_unopened(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "folder.mp4").mkdir()
    os.mkfifo(root / "pipe.mp4")
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.mp4")

        for name in ("folder.mp4", "pipe.mp4", "socket.mp4", "."):
            with pytest.raises(UnsupportedFormat):
                source(root, name).describe()


def test_a_text_file_called_mp4_is_refused(root: Path) -> None:
    (root / "notes.mp4").write_text("Dear diary\n" * 100)

    with pytest.raises(UnsupportedFormat):
        source(root, "notes.mp4").describe()


def test_a_video_without_sound_is_refused_before_anything_is_fetched(root: Path) -> None:
    ffmpeg(*PICTURE, "-t", "1", *H264, root / "mute.mp4")

    with pytest.raises(UnsupportedFormat, match="no sound"):
        source(root, "mute.mp4").describe()


def test_a_video_over_the_limit_is_refused_by_its_header_and_by_its_content(root: Path, tmp_path: Path) -> None:
    recording(root / "long.ts", *H264, *AAC, seconds=8)

    with pytest.raises(VideoSizeExceeded):
        source(root, "long.ts", max_hours=4 / 3600).describe()
    with pytest.raises(VideoSizeExceeded):
        source(root, "long.ts", max_hours=4 / 3600).fetch_sound(tmp_path / "a.m4a", work=tmp_path, progress=silent)


def test_a_file_has_no_chat_of_its_own(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ChatUnavailable):
        source(root, "a.mp4").fetch_chat(tmp_path / "chat.jsonl", work=tmp_path, progress=silent)


def test_a_chat_file_is_one_in_the_media_folder(
    root: Path, tmp_path: Path, make_settings: SettingsMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "chat.json").touch()
    (tmp_path / "secret.json").touch()
    (root / "out.json").symlink_to(tmp_path / "secret.json")
    config = make_settings(LOCAL_MEDIA_DIR=str(root))
    monkeypatch.setattr("tasks.chat_files.settings", lambda: config)

    check_chat_file("chat.json")
    check_chat_file("none.json")
    assert chat_file("chat.json") == root / "chat.json"
    for name in ("../secret.json", "out.json"):
        with pytest.raises(PermissionDenied):
            check_chat_file(name)
    for name in ("none.json", ".", "out.json"):
        with pytest.raises(ChatUnavailable):
            chat_file(name)
