"""`flask --app web analyze`, `follow` and `jobs` as processes, against a real server."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from shared import jobs
from shared.errors import UnsupportedFormat
from shared.jobs import Job, Options, utc_now
from shared.stages import STAGES
from tests.conftest import ROOT, wait_until
from tests.integration.conftest import SETTING_NAMES, Web
from tests.jobs_made import unfinished

RESULTS = {
    "job_id": "x",
    "video": {"title": "Demo night"},
    "highlights": [
        {
            "rank": 1,
            "start_seconds": 61.0,
            "end_seconds": 92.0,
            "score": 0.9,
            "emotion": "funny",
            "title": "Everybody laughs",
            "reasons": ["Chat was 12 times as fast."],
            "clip_url": None,
        }
    ],
    "warnings": ["No chat was given."],
}


@contextmanager
def command(web: Web, *arguments: str, **variables: str) -> Iterator["subprocess.Popen[str]"]:
    kept = {name: value for name, value in os.environ.items() if name not in SETTING_NAMES}
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "web", *arguments],
        env={**kept, "DATA_DIR": str(web.files.root.parent), "PORT": web.url.rpartition(":")[2], **variables},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def only_job(web: Web) -> Job:
    """The job that the command made, once it is there."""
    wait_until(lambda: bool(unfinished(web.store)), seconds=60)
    return unfinished(web.store)[0]


def complete(web: Web, job_id: str, folder: Path) -> None:
    source = folder / "results"
    source.write_text(json.dumps(RESULTS))
    web.files.put(job_id, "results.json", source)
    for stage in STAGES:
        token = web.store.change(job_id, partial(jobs.claim, stage=stage, attempt=1, holder="t", now=utc_now())).token
        web.store.change(job_id, partial(jobs.finish, token=token, seconds=1.0, now=utc_now()))


def fail(web: Web, job_id: str) -> None:
    token = web.store.change(job_id, partial(jobs.claim, stage=STAGES[0], attempt=1, holder="t", now=utc_now())).token
    web.store.change(job_id, partial(jobs.fail, token=token, error=UnsupportedFormat(), now=utc_now()))


def test_a_followed_job_ends_with_its_highlights(web: Web, tmp_path: Path) -> None:
    with command(web, "analyze", "file:demo.mp4", "--chat", "file:chat.json", "--highlights", "3", "--follow") as run:
        job = only_job(web)
        complete(web, job.job_id, tmp_path)
        code, out, err = ended(run)

    assert (job.chat_ref, job.options.highlights, job.options.learn) == ("chat.json", 3, True)
    assert code == 0
    assert "0:01:01-0:01:32" in out
    assert "Everybody laughs" in out
    assert "No chat was given." in out
    assert "completed" in err


def test_every_option_of_the_command_reaches_the_job(web: Web) -> None:
    arguments = (
        *("--chat", "file:it's a $chat.json", "--chat-offset", "-1.5", "--highlights", "3", "--clips", "vertical"),
        *("--video", "full", "--language", "de", "--no-learn", "--transcriber", "none", "--audio-track", "2"),
        *("--priority", "low", "--join", "file:-b.mp4", "--join", 'file:c "2".mp4'),
    )

    with command(web, "analyze", "file:demo.mp4", *arguments) as run:
        code, _, err = ended(run)

    job = only_job(web)
    assert code == 0, err
    assert job.chat_ref == "it's a $chat.json"
    assert job.options == Options(
        highlights=3,
        clips="vertical",
        video="full",
        language="de",
        learn=False,
        priority="low",
        transcriber="none",
        audio_track=2,
        chat_offset_seconds=-1.5,
        join=("-b.mp4", 'c "2".mp4'),
    )


@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False), ("vertical", "vertical")])
def test_clips_are_chosen_by_word(web: Web, text: str, value: bool | str) -> None:
    with command(web, "analyze", "file:demo.mp4", "--clips", text) as run:
        assert ended(run)[0] == 0

    assert only_job(web).options.clips == value


def test_a_followed_job_that_fails_says_why_and_what_to_do(web: Web) -> None:
    with command(web, "analyze", "file:demo.mp4", "--follow") as run:
        fail(web, only_job(web).job_id)
        code, _, err = ended(run)

    assert code == 1
    assert "UNSUPPORTED_FORMAT" in err
    assert UnsupportedFormat.suggested_action in " ".join(err.split())


def test_json_is_all_that_is_printed(web: Web, tmp_path: Path) -> None:
    job_id = web.submit()
    complete(web, job_id, tmp_path)

    with command(web, "follow", job_id, "--json") as run:
        code, out, _ = ended(run)

    assert (code, json.loads(out)) == (0, RESULTS)


def test_without_follow_the_job_is_named_and_left_alone(web: Web) -> None:
    with command(web, "analyze", "file:demo.mp4", "--no-learn") as run:
        code, out, _ = ended(run)

    assert code == 0
    assert not unfinished(web.store)[0].options.learn
    assert f"flask --app web follow {unfinished(web.store)[0].job_id}" in out


def test_ctrl_c_leaves_the_job_running_and_tells_how_to_come_back(web: Web) -> None:
    with command(web, "analyze", "file:demo.mp4", "--follow") as run:
        job = only_job(web)
        assert run.stderr
        assert "queued" in run.stderr.readline()
        run.send_signal(signal.SIGINT)
        code, _, err = ended(run)

    assert code == 130
    assert f"flask --app web follow {job.job_id}" in err
    assert web.store.get(job.job_id).status == "queued"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("analyze", "https://example.com/x"), "UNSUPPORTED_SOURCE"),
        (("analyze", "file:a.mp4", "--language", "klingon"), "options.language"),
        (("follow", "0" * 32), "JOB_NOT_FOUND"),
        (("analyze", "file:a.mp4", "--highlights", "0"), "--highlights"),
        (("analyze", "file:a.mp4", "--audio-track", "33"), "--audio-track"),
        (("analyze", "file:a.mp4", "--chat-offset", "86401"), "options.chat_offset_seconds"),
        (("analyze", "file:a.mp4", "--transcriber", "parrot"), "options.transcriber"),
        (("analyze", "file:a.mp4", "--clips", "round"), "--clips"),
        (("analyze", "123456789", "--join", "file:b.mp4"), "options.join"),
        (("analyze",), "Missing argument"),
    ],
)
def test_what_is_refused_ends_with_two_and_the_reason(web: Web, arguments: tuple[str, ...], reason: str) -> None:
    with command(web, *arguments) as run:
        code, out, err = ended(run)

    assert (code, out) == (2, "")
    assert reason in err


def test_without_a_stack_it_says_how_to_start_one(web: Web) -> None:
    with command(web, "jobs", PORT="1") as run:
        code, _, err = ended(run)

    assert code == 2
    assert "make up" in err


def test_jobs_are_listed(web: Web) -> None:
    made = [web.submit("file:a.mp4"), web.submit("file:b.mp4")]

    with command(web, "jobs", "--json") as run:
        code, out, _ = ended(run)

    assert code == 0
    assert sorted(job["job_id"] for job in json.loads(out)) == sorted(made)
