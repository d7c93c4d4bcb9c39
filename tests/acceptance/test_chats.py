"""People's chat files and links through the whole system: trimmed, late, of another form, for a VOD, from `make`."""

import gzip
import io
import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import SAMPLES, Api, running_stack
from tests.conftest import ROOT
from tests.peers.twitch_process import TwitchPeer, running_twitch
from workers.media.ffmpeg import ffmpeg_path

VOD = "2434635255"
SECONDS = 190
CHAT: dict[str, Any] = json.loads((SAMPLES / "demo_chat.json").read_text())
# Every sign that make or a shell reads, and a dash in front.
NASTY = '-it\'s "5" $HOME $(id) `id` & co; 100%.m4a'
NASTY_CHAT = "a $(shell id) chat's $$.json"


def later(by_s: float, **video: Any) -> str:
    comments = [{**one, "content_offset_seconds": one["content_offset_seconds"] + by_s} for one in CHAT["comments"]]
    return json.dumps({"video": {**CHAT["video"], **video}, "comments": comments})


def as_text() -> str:
    return "".join(
        f"[0:{one['content_offset_seconds'] // 60:02}:{one['content_offset_seconds'] % 60:02}] "
        f"{one['commenter']['name']}: {one['message']['body']}\r\n"
        for one in CHAT["comments"]
    )


def as_table() -> str:
    """A German Excel's CSV."""
    rows = (
        (one["content_offset_seconds"], one["commenter"]["name"], one["message"]["body"]) for one in CHAT["comments"]
    )
    quoted = (
        f'0:{at // 60:02}:{at % 60:02};"{name}";"{text.replace(chr(34), chr(34) * 2)}"' for at, name, text in rows
    )
    return "\r\n".join(("sep=;", "Zeit;Benutzer;Nachricht", *quoted))


def as_log() -> str:
    """Chatterino's, opened a minute before midnight at the recording's start."""
    lines = ["# Start logging at 2026-01-01 23:59:00 CET"]
    for one in CHAT["comments"]:
        at = (23 * 3600 + 59 * 60 + one["content_offset_seconds"]) % 86_400
        clock = f"{at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}"
        lines.append(f"[{clock}]  {one['commenter']['name']}: {one['message']['body']}")
    return "\n".join(lines)


def as_youtube() -> str:
    return "".join(json.dumps(_youtube(one)) + "\n" for one in CHAT["comments"])


def _youtube(one: dict[str, Any]) -> dict[str, Any]:
    said = {"message": {"runs": [{"text": one["message"]["body"]}]}, "id": one["_id"]}
    renderer = {"liveChatTextMessageRenderer": {**said, "authorName": {"simpleText": one["commenter"]["name"]}}}
    actions = [{"addChatItemAction": {"item": renderer}}]
    return {
        "replayChatItemAction": {"actions": actions, "videoOffsetTimeMsec": str(one["content_offset_seconds"] * 1000)}
    }


def in_milliseconds() -> str:
    comments = [{**one, "content_offset_seconds": one["content_offset_seconds"] * 1000} for one in CHAT["comments"]]
    return json.dumps({**CHAT, "comments": comments})


def zipped_by_a_mac() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("chat/", b"")
        archive.writestr("chat/chat.json", json.dumps(CHAT))
        archive.writestr("__MACOSX/chat/._chat.json", b"\0\5\x16\7")
    return packed.getvalue()


OTHER_FORMS: dict[str, bytes] = {
    "table.csv": as_table().encode("utf-8-sig"),
    "midnight.log": as_log().encode(),
    "youtube.live_chat.json": as_youtube().encode("utf-16"),
    "milliseconds.json.gz": gzip.compress(in_milliseconds().encode()),
    "mac.zip": zipped_by_a_mac(),
}


@pytest.fixture(scope="module")
def peer() -> Iterator[TwitchPeer]:
    with running_twitch() as running:
        running.fresh()
        vods = [
            {"id": VOD, "seconds": SECONDS, "chat": str(SAMPLES / "demo_chat.json")},
            {"id": "79", "seconds": SECONDS, "chat_off": True},
        ]
        running.control(vods=vods)
        yield running


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    # A tone in which nobody speaks: the chat alone decides, and soon.
    tone = ["-f", "lavfi", "-i", f"sine=frequency=440:duration={SECONDS}", str(folder / "tone.m4a")]
    subprocess.run([ffmpeg_path(), "-v", "error", *tone], check=True, timeout=60)
    shutil.copy(SAMPLES / "demo_chat.json", folder / "plain.json")
    (folder / "trimmed.json.gz").write_bytes(gzip.compress(later(28_800, start=28_800, end=28_990).encode()))
    (folder / "late.json").write_text(later(45))
    (folder / "chat.txt").write_bytes(as_text().encode("utf-16"))
    for name, data in OTHER_FORMS.items():
        (folder / name).write_bytes(data)
    (folder / "other.json").write_text(json.dumps({**CHAT, "video": {**CHAT["video"], "id": "999"}}))
    shutil.copy(folder / "tone.m4a", folder / NASTY)
    shutil.copy(SAMPLES / "demo_chat.json", folder / NASTY_CHAT)
    return folder


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("chats")


@pytest.fixture(scope="module")
def api(peer: TwitchPeer, media: Path, data_dir: Path) -> Iterator[Api]:
    with (
        running_stack(data_dir, TWITCH_HOST_MAP=peer.setting(), LOCAL_MEDIA_DIR=str(media)) as stack,
        Api(stack.url) as client,
    ):
        yield client


OPTIONS = {"clips": False, "video": "none"}


def analyzed(api: Api, url: str, chat: str | None = None, **options: Any) -> dict[str, Any]:
    """The results of a job that completed."""
    more: dict[str, Any] = {"chat_url": f"file:{chat}"} if chat else {}
    job = api.wait(api.submit(url, options={**OPTIONS, **options}, **more)["job_id"], seconds=180)
    assert job["status"] == "completed", job["error"]
    return api.results(job["job_id"])


def found(results: dict[str, Any]) -> list[tuple[float, float, float, str]]:
    keys = ("start_seconds", "end_seconds", "score", "emotion")
    return [tuple(one[key] for key in keys) for one in results["highlights"]]


@pytest.fixture(scope="module")
def plain(api: Api) -> dict[str, Any]:
    return analyzed(api, "file:tone.m4a", "plain.json")


def test_a_trimmed_chat_finds_the_same_highlights_and_its_shift_is_said(api: Api, plain: dict[str, Any]) -> None:
    results = analyzed(api, "file:tone.m4a", "trimmed.json.gz")

    assert found(results) == found(plain) != []
    assert results["chat"] == plain["chat"]
    assert any("begins at 8:00:00 of its stream" in warning for warning in results["warnings"]), results["warnings"]


def test_a_late_chat_is_told_and_the_offset_mends_it(api: Api, plain: dict[str, Any]) -> None:
    late = analyzed(api, "file:tone.m4a", "late.json")
    mended = analyzed(api, "file:tone.m4a", "late.json", chat_offset_seconds=-45)

    assert any("of 659 comments lie outside the recording" in warning for warning in late["warnings"])
    assert any("chat_offset_seconds of about -43" in warning for warning in late["warnings"]), late["warnings"]
    assert found(mended) == found(plain)
    assert not any("outside the recording" in warning for warning in mended["warnings"])


def test_text_of_windows_finds_the_same_highlights(api: Api, plain: dict[str, Any]) -> None:
    results = analyzed(api, "file:tone.m4a", "chat.txt")

    assert results["chat"]["messages"] == plain["chat"]["messages"]
    assert [one[:2] for one in found(results)] == [one[:2] for one in found(plain)]


@pytest.mark.parametrize("name", OTHER_FORMS)
def test_a_chat_of_another_form_finds_the_same_highlights(api: Api, plain: dict[str, Any], name: str) -> None:
    results = analyzed(api, "file:tone.m4a", name)

    assert results["chat"]["messages"] == plain["chat"]["messages"]
    assert [one[:2] for one in found(results)] == [one[:2] for one in found(plain)] != []


def test_the_chat_of_another_vod_is_told(api: Api) -> None:
    results = analyzed(api, VOD, "other.json")

    assert f"The chat file says that it is of VOD 999, not of {VOD}." in results["warnings"]


def test_a_chat_file_takes_the_place_of_a_vods_own_chat(api: Api, peer: TwitchPeer) -> None:
    before = peer.count("comments")

    results = analyzed(api, f"twitch.tv/somebody/v/{VOD}?t=5s", "chat.txt")

    assert results["chat"]["messages"] == 659
    assert results["video"]["id"] == VOD
    assert peer.count("comments") == before


def test_a_vod_whose_chat_is_off_takes_a_chat_file(api: Api) -> None:
    assert analyzed(api, "http://player.twitch.tv/?video=v79", "trimmed.json.gz")["chat"]["messages"] == 659


def test_the_fetched_chat_of_a_vod_is_moved_too(api: Api) -> None:
    results = analyzed(api, VOD, chat_offset_seconds=-60)

    assert results["chat"]["messages"] == 478
    assert any("181 of 659 comments lie outside the recording (181 before" in one for one in results["warnings"])


def test_a_second_form_of_the_link_is_the_same_job_while_it_runs(api: Api) -> None:
    first = api.submit(f"https://www.twitch.tv/videos/{VOD}", options={"highlights": 3})
    second = api.submit(f" m.twitch.tv/somebody/video/{VOD}?filter=all \n", options={"highlights": 3})

    assert second["job_id"] == first["job_id"]
    api.wait(first["job_id"], seconds=180)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"options": {"chat_offset_seconds": 86_401}}, "options.chat_offset_seconds"),
        ({"options": {"chat_offset_seconds": "late"}}, "options.chat_offset_seconds"),
        ({"chat_url": "https://example.com/chat.json"}, "chat_url"),
        ({"chat_url": "file:../chat.json"}, "chat_url"),
    ],
)
def test_a_wrong_chat_option_is_named(api: Api, body: dict[str, Any], field: str) -> None:
    answer = api.http.post("/api/v1/analysis", json={"url": VOD, **body})

    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [field]


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("https://clips.twitch.tv/FunnySlug", "clip"),
        ("twitch.tv/collections/a_B", "collection"),
        ("m.twitch.tv/a", "channel"),
    ],
)
def test_what_is_no_vod_is_refused_by_what_it_is(api: Api, url: str, word: str) -> None:
    problem = api.http.post("/api/v1/analysis", json={"url": url}).json()

    assert (problem["code"], problem["status"]) == ("INVALID_TWITCH_URL", 422)
    assert word in problem["detail"]


def make_analyze(data_dir: Path, *variables: str) -> "subprocess.CompletedProcess[str]":
    """`make analyze`, as a terminal runs it; what sets the .venv up has been done, or this test would not run."""
    return subprocess.run(
        ["make", "-o", "setup", "analyze", *variables],
        cwd=ROOT,
        env={**{name: value for name, value in os.environ.items() if name != "PORT"}, "DATA_DIR": str(data_dir)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_make_passes_names_on_as_they_are_typed(api: Api, data_dir: Path) -> None:
    done = make_analyze(data_dir, f"URL=file:{NASTY}", f"CHAT=file:{NASTY_CHAT}", "CHAT_OFFSET=-0.5")

    assert done.returncode == 0, done.stdout + done.stderr
    job = api.http.get("/api/v1/jobs", params={"limit": 1}).json()["jobs"][0]
    assert (job["url"], job["status"]) == (f"file:{NASTY}", "completed")
    comments = api.http.get(f"/api/v1/analysis/{job['job_id']}/files/chat.jsonl").text.splitlines()
    assert (len(comments), json.loads(comments[0])["offset_seconds"]) == (659, 0.5)


def test_make_shows_a_refusal_and_fails(api: Api, data_dir: Path) -> None:
    done = make_analyze(data_dir, "URL=https://clips.twitch.tv/Funny?a=$(HOME)&b=`id`")

    assert done.returncode != 0
    assert "This is a Twitch clip" in " ".join(done.stderr.split())
