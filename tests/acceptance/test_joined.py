"""A recording that OBS has split, through the whole stack: from POST, the command and `make analyze` to its clips."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.acceptance.conftest import Api, running_stack
from tests.acceptance.test_commands import environment
from tests.conftest import ROOT
from tests.flash_and_beep import look_at, make

NAMES = ("night 1.mkv", "night 2.mp4", "night 3.ts")
FURTHER = [f"file:{name}" for name in NAMES[1:]]
LENGTHS_S = (40, 30, 20)
LOUD_AT_S = 41  # the chat laughs right behind the first joint


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    for name, seconds, size in zip(NAMES, LENGTHS_S, ("160x90", "128x72", "128x96"), strict=True):
        make(folder / name, rate="25", key_s=2, seconds=seconds, size=size)
    comments = [
        {"content_offset_seconds": at, "commenter": {"display_name": f"u{number}"}, "message": {"body": text}}
        for number, (at, text) in enumerate(
            [
                *((3.0 * at, "hello there") for at in range(30)),
                *((LOUD_AT_S + at / 20, "LMAO KEKW") for at in range(80)),
            ]
        )
    ]
    comments.sort(key=lambda comment: float(str(comment["content_offset_seconds"])))
    (folder / "chat.json").write_text(json.dumps({"comments": comments}))
    return folder


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("joined")


@pytest.fixture(scope="module")
def api(media: Path, data_dir: Path) -> Iterator[Api]:
    with running_stack(data_dir, LOCAL_MEDIA_DIR=str(media)) as stack, Api(stack.url) as client:
        yield client


def ended(api: Api, **options: Any) -> dict[str, Any]:
    options = {"transcriber": "none", "join": FURTHER, **options}
    job = api.submit(f"file:{NAMES[0]}", chat_url="file:chat.json", options=options)
    return api.wait(job["job_id"], seconds=240)


def test_the_parts_are_one_recording_with_a_clip_over_the_joint(api: Api, tmp_path: Path) -> None:
    job = ended(api)

    assert job["status"] == "completed", job["error"]
    video = job["video"]
    assert video["duration_seconds"] == pytest.approx(sum(LENGTHS_S), abs=0.1)
    assert [part["file_name"] for part in video["parts"]] == list(NAMES)
    assert [part["begins_at_seconds"] for part in video["parts"]] == pytest.approx([0, 40, 70], abs=0.1)
    highlights = api.results(job["job_id"])["highlights"]
    over = next(one for one in highlights if one["start_seconds"] < LENGTHS_S[0] < one["end_seconds"])
    seen = look_at(api.download(over["clip_url"], tmp_path))
    # Every second of both sides begins with a flash and a beep.
    for moments in (seen.flashes(), seen.beeps(0)):
        moments = moments[moments > 0.2] + over["start_seconds"]
        assert np.abs(moments - np.round(moments)).max() <= 0.045
        assert {LENGTHS_S[0] - 1, LENGTHS_S[0], LENGTHS_S[0] + 1} <= set(np.round(moments).tolist())


def test_all_of_the_video_is_one_file(api: Api, tmp_path: Path) -> None:
    job = ended(api, video="full", highlights=1)

    assert job["status"] == "completed", job["error"]
    files = api.results(job["job_id"])["files"]
    seen = look_at(api.download(files["video.mp4"], tmp_path))
    assert seen.ends_s == pytest.approx((90, 90), abs=0.1)


def test_a_part_that_is_missing_is_named(api: Api) -> None:
    answer = api.http.post(
        "/api/v1/analysis", json={"url": f"file:{NAMES[0]}", "options": {"join": ["file:night 4.mkv"]}}
    )

    assert answer.status_code == 422
    assert "night 4.mkv" in answer.json()["errors"]["options.join"][0]


@pytest.mark.parametrize("join", [["upload:0123"], ["night 2.mp4"], "file:night 2.mp4", [1], ["file:a.mkv"] * 51])
def test_a_wrong_part_is_refused_with_the_name_of_the_field(api: Api, join: object) -> None:
    answer = api.http.post("/api/v1/analysis", json={"url": f"file:{NAMES[0]}", "options": {"join": join}})

    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == ["options.join"]


def test_make_takes_parts_whose_names_have_spaces(api: Api, data_dir: Path) -> None:
    done = subprocess.run(
        ["make", "-o", "setup", "analyze", f"URL=file:{NAMES[0]}", f"JOIN={' '.join(FURTHER)}"],
        env=environment(data_dir), cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    latest = api.http.get("/api/v1/jobs").json()["jobs"][0]
    assert [part["file_name"] for part in api.job(latest["job_id"])["video"]["parts"]] == list(NAMES)
