"""What the logs of a whole run say, and what they never do."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.redis.embedded import free_port
from tests.acceptance.conftest import SAMPLES, Api, running_stack
from tests.conftest import wait_until
from tests.peers.receiver import running_receiver

KEY = "marked-key-of-ann-0123456789"
WEBHOOK_SECRET = "whsec_" + "bWFya2VkLXNlY3JldA" * 2
CALLBACK_TOKEN = "marked-callback-token"
MEDIA_TOKEN = "marked-media-token"
CHAT_TEXT = "marked words of a chatter"
TITLE = "marked title"
MARKS = (KEY, WEBHOOK_SECRET, CALLBACK_TOKEN, MEDIA_TOKEN, CHAT_TEXT, TITLE)


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample, and its chat with words that can be found again."""
    folder = tmp_path_factory.mktemp("media")
    chat = json.loads((SAMPLES / "demo_chat.json").read_text())
    for number, comment in enumerate(chat["comments"]):
        if number % 3 == 0:
            comment["message"]["body"] = CHAT_TEXT
            comment["message"].pop("fragments", None)
    (folder / "chat.json").write_text(json.dumps(chat))
    (folder / "demo.mp4").write_bytes((SAMPLES / "demo.mp4").read_bytes())
    (folder / "junk.mp4").write_bytes(b"junk" * 1000)
    return folder


@pytest.fixture(scope="module")
def run(media: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], list[str]]:
    """The text of every log after a run in which things go well and badly; what clients were told to ask about."""
    data, closed = tmp_path_factory.mktemp("logs"), free_port()
    with running_receiver() as hooks:
        settings = {
            "API_KEYS": f"ann:{KEY}",
            "WEBHOOK_SECRET": WEBHOOK_SECRET,
            "ALLOW_PRIVATE_HOSTS": f"{hooks.address},127.0.0.1:{closed}",
            "LOCAL_MEDIA_DIR": str(media),
            "MEDIA_HOSTS": f"127.0.0.1:{closed}",
            "LOG_LEVEL": "debug",
        }
        with running_stack(data, **settings) as stack, Api(stack.url) as api:
            api.http.headers["Authorization"] = f"Bearer {KEY}"
            told = _run(api, hooks.url(f"/hook?token={CALLBACK_TOKEN}"), closed)
            wait_until(lambda: len(hooks.received) >= 2, seconds=60)
    return {file.name: file.read_text(errors="replace") for file in (data / "logs").iterdir()}, told


@pytest.fixture(scope="module")
def logs(run: tuple[dict[str, str], list[str]]) -> dict[str, str]:
    return run[0]


def _run(api: Api, callback: str, closed: int) -> list[str]:
    """Returns support references."""
    done = api.submit("file:demo.mp4", chat_url="file:chat.json", callback_url=callback)["job_id"]
    # Nobody is there, neither with the recording nor to hear of it
    unheard = f"http://127.0.0.1:{closed}/hook?token={CALLBACK_TOKEN}"
    missing = f"https://127.0.0.1:{closed}/video.mp4?token={MEDIA_TOKEN}"
    failing = api.submit(missing, callback_url=unheard)["job_id"]
    # Keys where they don't belong, and words that are refused
    with httpx.stream("GET", f"{api.url}/api/v1/analysis/{done}/stream?access_token={KEY}", timeout=30) as stream:
        assert stream.status_code == 200
    wrong = (f"https://elsewhere.example/x?token={MEDIA_TOKEN}", TITLE)
    refused = [api.http.post("/api/v1/analysis", json={"url": url}) for url in wrong]
    assert [answer.status_code for answer in refused] == [422, 422]
    assert httpx.get(f"{api.url}/api/v1/jobs?token={MEDIA_TOKEN}", headers={"Authorization": "Bearer x"}).is_error
    assert api.wait(done, seconds=240)["status"] == "completed"
    for rank, edit in ((1, {"verdict": "good", "title": TITLE}), (1, {"title": [TITLE]})):
        api.http.patch(f"/api/v1/analysis/{done}/highlights/{rank}", json=edit)
    wait_until(lambda: api.job(failing)["status"] == "failed" or bool(api.job(failing)["retries"]), seconds=120)
    wait_until(lambda: '"error":"' in api.http.get(f"/api/v1/analysis/{failing}/deliveries").text, seconds=60)
    junk = api.wait(api.submit("file:junk.mp4")["job_id"])
    return [answer.json()["support_reference"] for answer in refused] + [junk["error"]["support_reference"]]


def lines(logs: dict[str, str], *, event: str) -> list[dict[str, Any]]:
    """Every line of ours about the event."""
    found = [json.loads(line) for text in logs.values() for line in text.splitlines() if line.startswith("{")]
    return [line for line in found if line["event"] == event]


def test_nothing_that_gives_access_and_nobodys_words_stand_in_them(logs: dict[str, str]) -> None:
    assert len(logs) >= 8
    found = {(name, mark) for name, text in logs.items() for mark in MARKS if mark in text}

    assert found == set()


def test_each_line_of_a_stage_tells_whose_work_it_is(logs: dict[str, str]) -> None:
    finished = lines(logs, event="stage_finished")

    assert {line["stage"] for line in finished} >= {"download", "chat", "transcribe", "analyze", "highlights"}
    for line in finished:
        assert (line["owner"], line["attempt"], line["level"]) == ("ann", 1, "info")
        assert line["job_id"]
        assert line["seconds"] >= 0


def test_each_failure_can_be_found_by_the_reference_that_the_client_has(
    run: tuple[dict[str, str], list[str]],
) -> None:
    logs, references = run
    found = {
        line["support_reference"]: line
        for event in ("request_refused", "stage_failed")
        for line in lines(logs, event=event)
        if "support_reference" in line
    }

    assert len(references) == 3
    assert [found[reference]["code"] for reference in references][-1] == "UNSUPPORTED_FORMAT"
    assert all(found[reference]["owner"] == "ann" for reference in references)


def test_each_request_is_told_with_its_time_and_who_made_it(logs: dict[str, str]) -> None:
    requests = lines(logs, event="request")
    submitted = [line for line in requests if line["method"] == "POST" and line["status"] == 202]

    assert submitted
    for line in submitted:
        assert line["path"] == "/api/v1/analysis"
        assert line["owner"] == "ann"
        assert line["request_id"]
        assert 0 < line["seconds"] < 60
    assert not [line for line in requests if "?" in line["path"]]
