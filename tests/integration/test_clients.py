"""The clients against a real server that is killed, full, or asks for a key: Python, both of its kinds, and Node."""

import hashlib
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from standardwebhooks import Webhook

from clients.python.klipstream_client import (
    AsyncClient,
    Client,
    Conflict,
    DamagedDownload,
    Event,
    InvalidRequest,
    NotFound,
    Unauthorized,
    Unreachable,
    WebhookRefused,
    verify_webhook,
)
from shared.jobs import utc_now
from shared.stages import STAGES
from tests.conftest import ROOT, wait_until
from tests.integration.conftest import Web, running_web, used
from tests.integration.stream_clients import Worker, kill_worker, raw_stream, read_until
from tests.jobs_made import unfinished
from tests.node import BIN
from tests.peers.flaky import running_proxy

Follow = Callable[[str, str, Callable[[Event], None]], None]
SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS10ZXN0cw=="
FILE = bytes(range(256)) * 1000


def follow_waiting(url: str, job_id: str, tell: Callable[[Event], None]) -> None:
    with Client(url) as client:
        for event in client.follow(job_id):
            tell(event)


def follow_async(url: str, job_id: str, tell: Callable[[Event], None]) -> None:
    async def run() -> None:
        async with AsyncClient(url) as client:
            async for event in client.follow(job_id):
                tell(event)

    anyio.run(run)


def follow_node(url: str, job_id: str, tell: Callable[[Event], None]) -> None:
    command: list[str | Path] = [BIN / "node", ROOT / "tests" / "clients" / "follow.mjs", url, job_id]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            said = json.loads(line)
            said["job_id"], said["event_id"] = said.pop("jobId"), said.pop("eventId")
            tell(Event(**said))
    assert process.returncode == 0


all_clients = pytest.mark.parametrize("follow", [follow_waiting, follow_async, follow_node])


class Told:
    """What a client in a thread of its own is told."""

    def __init__(self, follow: Follow, url: str, job_id: str) -> None:
        self.events: list[Event] = []
        self._thread = threading.Thread(target=follow, args=(url, job_id, self.events.append), daemon=True)
        self._thread.start()

    def wait_for(self, status: str) -> None:
        wait_until(lambda: status in self.statuses(), seconds=60)

    def to_the_end(self) -> list[Event]:
        self._thread.join(90)
        assert not self._thread.is_alive()
        return self.events

    def statuses(self) -> list[str]:
        return list(dict.fromkeys(event.status for event in self.events))


def check_story(told: Told, ends: str) -> None:
    """Every status was told, in order, and the end once."""
    events = told.to_the_end()
    assert told.statuses() == ["queued", *(stage.status for stage in STAGES), ends]
    assert [event.is_last for event in events] == [False] * (len(events) - 1) + [True]
    ids = [event.event_id for event in events if event.kind == "progress" and event.event_id]
    assert len(ids) == len(set(ids))
    percentages = [event.progress["percentage"] for event in events]
    assert percentages == sorted(percentages)


@contextmanager
def served(tmp_path: Path, valkey_url: str, **variables: str) -> Iterator[Web]:
    """A server that a test may harm."""
    with (
        running_web(tmp_path, valkey_url, LOCAL_MEDIA_DIR=str(tmp_path), **variables) as url,
        used(url, valkey_url, tmp_path) as web,
    ):
        yield web


@all_clients
def test_a_job_is_followed_to_its_end_which_is_told_once(web: Web, follow: Follow) -> None:
    job_id = web.submit()
    told = Told(follow, web.url, job_id)
    told.wait_for("queued")

    Worker(web, job_id).complete()

    check_story(told, "completed")
    last = told.events[-1]
    assert (last.kind, last.error) == ("completed", None)
    assert last.results
    assert last.results["highlights"] == 3


@all_clients
def test_a_job_that_has_ended_is_told_at_once(web: Web, follow: Follow) -> None:
    job_id = web.submit()
    worker = Worker(web, job_id)
    worker.claim()
    worker.fail()

    events = Told(follow, web.url, job_id).to_the_end()

    assert [event.kind for event in events if event.is_last] == ["failed"]
    assert events[-1].error
    assert events[-1].error["code"] == "UNSUPPORTED_FORMAT"


@all_clients
def test_a_server_killed_in_mid_stream_costs_nothing(tmp_path: Path, valkey_url: str, follow: Follow) -> None:
    with served(tmp_path, valkey_url) as web:
        job_id = web.submit()
        worker = Worker(web, job_id)
        told = Told(follow, web.url, job_id)
        told.wait_for("queued")
        for number in range(len(STAGES) - 1):
            is_replaced = kill_worker(tmp_path / "web.log")
            worker.claim(number)
            worker.report(0.5)
            worker.finish()
            wait_until(is_replaced, seconds=60)
            told.wait_for(STAGES[number].status)
        worker.claim(len(STAGES) - 1)
        kill_worker(tmp_path / "web.log")
        worker.finish()

        check_story(told, "completed")


@all_clients
def test_a_server_that_was_away_for_a_while_is_found_again(tmp_path: Path, valkey_url: str, follow: Follow) -> None:
    with served(tmp_path, valkey_url) as web:
        job_id, port = web.submit(), web.url.rpartition(":")[2]
        told = Told(follow, web.url, job_id)
        told.wait_for("queued")
    worker = Worker(web, job_id)
    worker.complete()

    with running_web(tmp_path, valkey_url, LOCAL_MEDIA_DIR=str(tmp_path), PORT=port):
        check_story(told, "completed")


@all_clients
def test_a_full_server_is_polled(tmp_path: Path, valkey_url: str, follow: Follow) -> None:
    with served(tmp_path, valkey_url, MAX_STREAMS="1") as web:
        other, job_id = web.submit("file:other.mp4"), web.submit()
        worker = Worker(web, job_id)
        with raw_stream(web, other) as holding:
            read_until(holding, b"event:progress")
            told = Told(follow, web.url, job_id)
            told.wait_for("queued")
            worker.claim()
            told.wait_for("downloading")
            worker.fail()
            events = told.to_the_end()

    assert [event.kind for event in events] == ["progress", "progress", "failed"]
    assert {event.event_id for event in events} == {None}


def test_a_proxy_that_keeps_the_stream_back_costs_only_the_speed(web: Web) -> None:
    job_id = web.submit()
    with running_proxy(web.url) as proxy:
        proxy.fail = lambda _method, path, _number: path.endswith("/stream")
        proxy.refusal = lambda _number: (502, {})
        told = Told(follow_waiting, proxy.url, job_id)
        told.wait_for("queued")
        Worker(web, job_id).complete()

        assert told.to_the_end()[-1].kind == "completed"


def test_a_job_that_is_not_there_is_said_so_by_type(web: Web) -> None:
    with Client(web.url) as client:
        for call in (client.job, client.cancel, client.results, lambda job_id: list(client.follow(job_id))):
            with pytest.raises(NotFound) as refused:
                call("0" * 32)
            assert (refused.value.code, refused.value.retryable) == ("JOB_NOT_FOUND", False)


def test_a_refusal_tells_code_fields_advice_and_reference(web: Web) -> None:
    with Client(web.url) as client, pytest.raises(InvalidRequest) as refused:
        client.submit("file:a.mp4", options={"highlights": 99})

    error = refused.value
    assert (error.status, error.code) == (422, "INVALID_REQUEST")
    assert list(error.errors) == ["options.highlights"]
    assert error.reference.startswith("ERR-")
    assert "errors" in error.advice


def test_results_that_are_not_there_yet_tell_when_to_ask_again(web: Web) -> None:
    job_id = web.submit()

    with Client(web.url) as client, pytest.raises(Conflict) as refused:
        client.results(job_id)

    assert (refused.value.code, refused.value.retry_after_s) == ("RESULTS_NOT_READY", 5.0)


def test_a_wrong_key_is_an_error_of_its_own(tmp_path: Path, valkey_url: str) -> None:
    with served(tmp_path, valkey_url, API_KEYS="ann:key-of-ann-is-long") as web:
        with Client(web.url, key="key-of-ann-is-long") as right:
            job_id = right.submit("file:a.mp4")["job_id"]
            right.cancel(job_id)
            assert [event.kind for event in right.follow(job_id) if event.is_last] == ["cancelled"]
        with Client(web.url, key="key-of-nobody-at-all") as wrong:
            for call in (wrong.job, lambda job_id: list(wrong.follow(job_id))):
                with pytest.raises(Unauthorized) as refused:
                    call(job_id)
                assert refused.value.status == 401
                assert refused.value.advice


def test_a_submission_whose_answer_was_lost_makes_one_job(web: Web) -> None:
    with running_proxy(web.url) as proxy:
        proxy.spoil = lambda method, _path, body: b"" if method == "POST" and len(proxy.requests) == 1 else body
        with Client(proxy.url) as client:
            job = client.submit("file:a.mp4", force=True)

    assert proxy.requests == ["POST /api/v1/analysis?force=true"] * 2
    assert [active.job_id for active in unfinished(web.store)] == [job["job_id"]]


def test_an_answer_that_was_lost_is_asked_for_again(web: Web) -> None:
    job_id = web.submit()
    with running_proxy(web.url) as proxy, Client(proxy.url) as client:
        proxy.spoil = lambda _method, _path, body: b"" if len(proxy.requests) == 1 else body
        assert client.job(job_id)["status"] == "queued"

    assert proxy.requests == [f"GET /api/v1/analysis/{job_id}"] * 2


def test_without_a_server_it_says_so() -> None:
    with Client("http://127.0.0.1:1") as client, pytest.raises(Unreachable, match="does not answer"):
        client.jobs()


# --- downloads --------------------------------------------------------------------------------------------------------


def stored(web: Web, tmp_path: Path, content: bytes, *, sha256: str | None = None) -> str:
    """A job that has the file clips/01.mp4."""
    job_id = web.submit()
    source = tmp_path / "source"
    source.write_bytes(content)
    web.files.put(job_id, "clips/01.mp4", source)
    entry = {"size": len(content), "sha256": sha256 or hashlib.sha256(content).hexdigest(), "stage": "x", "attempt": 1}
    manifest = {"job_id": job_id, "files": {"clips/01.mp4": entry}, "stages": {}}
    web.files.write(job_id, "manifest.json", json.dumps(manifest).encode(), generation=None)
    return job_id


def download(kind: str, url: str, job_id: str, target: Path, *, max_bytes: int = 1 << 20) -> Path:
    if kind == "waiting":
        with Client(url) as client:
            return client.download(job_id, "clips/01.mp4", target, max_bytes=max_bytes)

    async def run() -> Path:
        async with AsyncClient(url) as client:
            return await client.download(job_id, "clips/01.mp4", target, max_bytes=max_bytes)

    return anyio.run(run)


kinds = pytest.mark.parametrize("kind", ["waiting", "async"])


@kinds
@pytest.mark.parametrize("before", [b"", FILE[:1000], FILE, b"of another file", FILE + b"too much"])
def test_a_download_is_whole_whatever_lay_there_before(web: Web, tmp_path: Path, before: bytes, kind: str) -> None:
    job_id = stored(web, tmp_path, FILE)
    (tmp_path / "01.mp4.part").write_bytes(before)

    got = download(kind, web.url, job_id, tmp_path)

    assert got == tmp_path / "01.mp4"
    assert got.read_bytes() == FILE
    assert not (tmp_path / "01.mp4.part").exists()


@kinds
def test_a_download_that_breaks_goes_on_where_it_broke(web: Web, tmp_path: Path, kind: str) -> None:
    job_id = stored(web, tmp_path, FILE)
    ranges: list[int] = []

    def cut(_method: str, path: str, body: bytes) -> bytes:
        if path.endswith(".mp4"):
            ranges.append(len(body))
        return body[: len(FILE) // 4] if path.endswith(".mp4") else body

    with running_proxy(web.url) as proxy:
        proxy.spoil = cut
        assert download(kind, proxy.url, job_id, tmp_path).read_bytes() == FILE

    quarter = len(FILE) // 4
    assert ranges == [4 * quarter, 3 * quarter, 2 * quarter, quarter]


def test_a_file_that_is_not_what_the_manifest_names_is_not_kept(web: Web, tmp_path: Path) -> None:
    job_id = stored(web, tmp_path, FILE, sha256="0" * 64)

    with pytest.raises(DamagedDownload):
        download("waiting", web.url, job_id, tmp_path)

    assert not (tmp_path / "01.mp4").exists()


def test_more_than_is_wanted_is_not_begun(web: Web, tmp_path: Path) -> None:
    job_id = stored(web, tmp_path, FILE)

    with pytest.raises(DamagedDownload, match="more than"):
        download("waiting", web.url, job_id, tmp_path, max_bytes=100)

    assert not list(tmp_path.glob("01*"))


def test_an_empty_file_and_a_missing_one(web: Web, tmp_path: Path) -> None:
    job_id = stored(web, tmp_path, b"")
    with Client(web.url) as client:
        assert client.download(job_id, "clips/01.mp4", tmp_path).read_bytes() == b""
        with pytest.raises(NotFound):
            client.download(job_id, "clips/02.mp4", tmp_path)


# --- webhooks ---------------------------------------------------------------------------------------------------------


def signed(body: bytes, secret: str = SECRET, age_s: float = 0) -> dict[str, str]:
    at = datetime.now(UTC) - timedelta(seconds=age_s)
    signature = Webhook(secret).sign("msg_1", at, body.decode())
    return {"Webhook-Id": "msg_1", "Webhook-Timestamp": str(int(at.timestamp())), "Webhook-Signature": signature}


BODY = json.dumps({"type": "job.completed", "timestamp": utc_now(), "data": {}}).encode()


def test_a_right_webhook_is_read() -> None:
    headers = signed(BODY)
    other = "whsec_" + "b3RoZXItc2VjcmV0LW9mLXRlc3Rz"

    assert verify_webhook(SECRET, headers, BODY)["type"] == "job.completed"
    assert verify_webhook([other, SECRET], headers, BODY)["type"] == "job.completed"
    several = headers | {"Webhook-Signature": f"v9 v1a,xx v1,!! {headers['Webhook-Signature']}"}
    assert verify_webhook(SECRET, several, BODY)["type"] == "job.completed"


@pytest.mark.parametrize(
    "made",
    [
        dict,
        lambda: signed(BODY, age_s=400),
        lambda: signed(BODY, age_s=-400),
        lambda: signed(BODY, secret="whsec_" + "b3RoZXItc2VjcmV0LW9mLXRlc3Rz"),
        lambda: signed(BODY + b" "),
        lambda: signed(BODY) | {"Webhook-Id": "msg_2"},
        lambda: signed(BODY) | {"Webhook-Timestamp": "nan"},
        lambda: signed(BODY) | {"Webhook-Signature": "v1,"},
        lambda: signed(BODY) | {"Webhook-Signature": "v1,ü"},
        lambda: signed(BODY) | {"Webhook-Signature": "v1,AAAA " * 10_000},
    ],
)
def test_a_wrong_webhook_is_refused(made: Callable[[], dict[str, str]]) -> None:
    with pytest.raises(WebhookRefused):
        verify_webhook(SECRET, made(), BODY)


@pytest.mark.parametrize("body", [b"[]", b"{", b"[" * 500_000, b"{}" + b" " * (1 << 20)])
def test_a_signed_body_that_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(WebhookRefused):
        verify_webhook(SECRET, signed(body), body)
