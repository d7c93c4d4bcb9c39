"""Recordings and chats that can't be used: a typed answer within seconds, and the next job works."""

import gzip
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import SAMPLES, Api, running_stack
from workers.media.ffmpeg import ffmpeg_path

PATIENCE_S = 30


def ffmpeg(*arguments: str) -> None:
    subprocess.run([ffmpeg_path(), "-v", "error", "-y", *arguments], check=True, timeout=60)


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A media folder of a user who makes every mistake."""
    folder = tmp_path_factory.mktemp("media")
    tone = ("-f", "lavfi", "-i", "sine=frequency=440:duration=3")
    picture = ("-f", "lavfi", "-i", "testsrc=size=64x64:rate=10:duration=3")
    ffmpeg(*tone, str(folder / "good.m4a"))
    ffmpeg(*picture, str(folder / "silent.mp4"))
    ffmpeg(*picture, *tone, "-t", "1", str(folder / "second.mp4"))
    (folder / "text.mp4").write_text("this is not a film\n" * 100)
    (folder / "folder.mp4").mkdir()
    (folder / "empty.mp4").touch()
    (folder / "cut.mp4").write_bytes((SAMPLES / "demo.mp4").read_bytes()[:200_000])
    (folder / "list.m3u8").write_text("#EXTM3U\n#EXTINF:3,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n")
    outside = tmp_path_factory.mktemp("outside") / "secret.m4a"
    ffmpeg(*tone, str(outside))
    (folder / "link.m4a").symlink_to(outside)
    (folder / "broken.json").write_text('{"comments": [{"content_offset_seconds": 1, "mess')
    (folder / "other.json").write_text('{"answer": 42}')
    (folder / "broken.gz").write_bytes(gzip.compress(b'{"comments": []}' * 1000)[:60])
    return folder


@pytest.fixture(scope="module")
def api(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with running_stack(tmp_path_factory.mktemp("bad"), LOCAL_MEDIA_DIR=str(media)) as stack, Api(stack.url) as client:
        yield client


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("text.mp4", "UNSUPPORTED_FORMAT"),
        ("empty.mp4", "UNSUPPORTED_FORMAT"),
        ("silent.mp4", "UNSUPPORTED_FORMAT"),
        ("list.m3u8", "UNSUPPORTED_FORMAT"),
    ],
)
def test_a_recording_that_cannot_be_used_fails_with_what_to_do(api: Api, name: str, code: str) -> None:
    job = api.wait(api.submit(f"file:{name}")["job_id"], seconds=PATIENCE_S)

    assert job["status"] == "failed"
    assert job["error"]["code"] == code, job["error"]
    assert job["error"]["stage"] == "download"
    assert job["error"]["suggested_action"]
    assert not job["error"]["retryable"]
    assert "/" not in job["error"]["detail"]


@pytest.mark.parametrize("url", ["file:../secret.m4a", "file:/etc/passwd", "file:a/../../b.mp4", "file:..\\x.mp4"])
def test_names_that_lead_out_are_refused_at_once(api: Api, url: str) -> None:
    answer = api.http.post("/api/v1/analysis", json={"url": url})

    assert answer.status_code == 422
    assert answer.json()["code"] in {"UNSUPPORTED_SOURCE", "INVALID_TWITCH_URL"}


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("url", {"url": "file:missing.mp4"}),
        ("url", {"url": "file:folder.mp4"}),
        ("url", {"url": "file:link.m4a"}),
        ("chat_url", {"url": "file:good.m4a", "chat_url": "file:missing.json"}),
    ],
)
def test_a_file_that_is_not_there_is_refused_at_once(api: Api, field: str, body: dict[str, str]) -> None:
    answer = api.http.post("/api/v1/analysis", json=body)

    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [field]


@pytest.mark.parametrize("chat", ["broken.json", "other.json", "broken.gz", "text.mp4"])
def test_a_chat_that_cannot_be_used_is_a_warning_and_the_job_completes(api: Api, chat: str) -> None:
    job = api.wait(api.submit("file:good.m4a", chat_url=f"file:{chat}")["job_id"], seconds=PATIENCE_S)

    assert job["status"] == "completed", job["error"]
    assert any("CHAT_UNAVAILABLE" in warning for warning in job["warnings"]), job["warnings"]


def test_a_recording_that_is_cut_short_is_used_as_far_as_it_goes_and_says_so(api: Api) -> None:
    job = api.wait(api.submit("file:cut.mp4")["job_id"], seconds=2 * PATIENCE_S)

    assert job["status"] == "completed", job["error"]
    assert any("cut short" in warning for warning in job["warnings"]), job["warnings"]


def test_a_recording_of_one_second_completes(api: Api) -> None:
    job = api.wait(api.submit("file:second.mp4")["job_id"], seconds=PATIENCE_S)

    assert job["status"] == "completed", job["error"]
    assert job["video"]["duration_seconds"] == pytest.approx(1, abs=0.1)


def test_a_recording_without_picture_has_no_clips_and_says_so(api: Api) -> None:
    job = api.wait(api.submit("file:good.m4a", force=True)["job_id"], seconds=PATIENCE_S)
    results = api.results(job["job_id"])

    assert all(highlight["clip_url"] is None for highlight in results["highlights"])
    assert any("no words" in w.lower() or "speech" in w.lower() for w in results["warnings"]), results["warnings"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("not json", 400),
        ("[1, 2]", 400),
        ("{}", 422),
        ('{"url": 5}', 422),
        ('{"url": "file:good.m4a", "colour": "red"}', 422),
        ('{"url": "file:good.m4a", "options": {"highlights": 51}}', 422),
        ('{"url": "file:good.m4a", "options": {"speed": 2}}', 422),
        (json.dumps({"url": "file:" + "a" * 70_000}), 413),
    ],
)
def test_a_bad_request_is_a_problem_that_names_the_field(api: Api, body: str, status: int) -> None:
    answer = api.http.post("/api/v1/analysis", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["support_reference"].startswith("ERR-")


def test_after_all_of_it_the_next_job_works(api: Api) -> None:
    job = api.wait(api.submit("file:good.m4a", force=True)["job_id"], seconds=PATIENCE_S)

    assert job["status"] == "completed", job["error"]
