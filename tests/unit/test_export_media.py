"""The file that exports name as the recording."""

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from shared.jobs import Job, Options
from shared.records import Video
from tasks.media import media_of
from tests.conftest import SettingsMaker

NOW = "2026-11-22T10:00:00.000Z"
KEYS = "anna:0123456789abcdef"


def job(kind: str, ref: str, file_name: str | None) -> Job:
    return Job(
        job_id="j1",
        owner="",
        url=ref,
        source={"kind": kind, "ref": ref},
        fingerprint="f",
        created_at=NOW,
        updated_at=NOW,
        video=Video(id=ref, source=kind, file_name=file_name),
    )


def test_a_local_recording_is_named_by_its_full_url(make_settings: SettingsMaker, tmp_path: Path) -> None:
    settings = make_settings(LOCAL_MEDIA_DIR=str(tmp_path))

    media = media_of(job("local", "2024/A & B #1 100%.mp4", "A & B #1 100%.mp4"), settings)

    assert media.url == f"{tmp_path.as_uri()}/2024/A%20%26%20B%20%231%20100%25.mp4"
    assert media.path == f"{tmp_path}/2024/A & B #1 100%.mp4"
    assert media.fetch is None


def test_users_with_keys_are_not_told_where_files_lie(make_settings: SettingsMaker, tmp_path: Path) -> None:
    settings = make_settings(LOCAL_MEDIA_DIR=str(tmp_path), API_KEYS=KEYS)

    media = media_of(job("local", "2024/a b.mp4", "a b.mp4"), settings)

    assert (media.url, media.path) == ("a%20b.mp4", "a b.mp4")


def test_a_vod_is_named_by_its_title_with_the_command_that_fetches_it(make_settings: SettingsMaker) -> None:
    media = media_of(job("twitch", "42", "100% it's $(x) [42].mp4"), make_settings())

    assert media.name == "100% it's $(x) [42].mp4"
    assert media.fetch is not None
    # As a shell would take it apart.
    assert shlex.split(media.fetch) == [
        "yt-dlp", "-o", "100%% it's $(x) [42].mp4", "https://www.twitch.tv/videos/42",
    ]  # fmt: skip


@pytest.mark.parametrize("url", ["https://media.example/a.mp4", "https://media.example/a.m3u8?x=1&y=$(z)"])
def test_a_link_is_fetched_from_where_it_points(make_settings: SettingsMaker, url: str) -> None:
    media = media_of(job("direct", url, "a.mp4"), make_settings())

    assert media.fetch is not None
    assert shlex.split(media.fetch) == ["yt-dlp", "-o", "a.mp4", url]


def test_a_job_from_before_its_file_had_a_name_gets_one(make_settings: SettingsMaker) -> None:
    assert media_of(job("twitch", "42", None), make_settings()).name == "recording.mp4"


def test_every_part_of_a_recording_is_named(make_settings: SettingsMaker, tmp_path: Path) -> None:
    joined = replace(job("local", "night/1.mkv", "1.mkv"), options=Options(join=("night/2 b.mkv",)))

    told = media_of(joined, make_settings(LOCAL_MEDIA_DIR=str(tmp_path)))
    hidden = media_of(joined, make_settings(LOCAL_MEDIA_DIR=str(tmp_path), API_KEYS=KEYS))

    root = tmp_path.as_uri()
    assert [part.url for part in told.parts] == [f"{root}/night/1.mkv", f"{root}/night/2%20b.mkv"]
    assert [part.url for part in hidden.parts] == ["1.mkv", "2%20b.mkv"]
