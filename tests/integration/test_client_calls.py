"""Each call of the clients against a real server: Python, both of its kinds, and Node."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import anyio
import httpx
import pytest
from mcp import Client as McpClient

from clients.python.klipstream_client import AsyncClient, Client, NotFound, Unreachable
from clients.python.klipstream_client.errors import api_error
from clients.python.klipstream_client.mcp_server import make_server
from clients.python.klipstream_client.retrying import may_ask_again
from shared.errors import IdempotentInProgress, JobConflict
from shared.problems import problem
from tests.conftest import ROOT, wait_until
from tests.integration.conftest import Web, running_web, used
from tests.integration.stream_clients import Worker
from tests.integration.test_clients import FILE, stored
from tests.jobs_made import cancel, numbered_job, unfinished
from tests.node import BIN
from tests.peers.flaky import FlakyProxy, running_proxy
from tests.peers.receiver import running_receiver
from workers.delivery.webhook_sender import WebhookSender
from workers.delivery.webhooks import WebhookDelivery

Members = dict[str, object]
KEY = "key-of-ann-is-long"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Caller(NamedTuple):
    """A kind of client. ask: makes one call of it, named as in Python; gives what it gives, as JSON."""

    ask: Callable[..., object]

    def one(self, url: str, method: str, *given: object, **named: object) -> Members:
        """What gives an object."""
        found = self.ask(url, None, method, given, named)
        assert isinstance(found, dict)
        return found

    def many(self, url: str, method: str, *given: object, **named: object) -> list[Members]:
        """What gives a list of objects."""
        found = self.ask(url, None, method, given, named)
        assert isinstance(found, list)
        return found


def ask_waiting(url: str, key: str | None, method: str, given: tuple[object, ...], named: Members) -> object:
    with Client(url, key=key) as client:
        return getattr(client, method)(*given, **named)


def ask_async(url: str, key: str | None, method: str, given: tuple[object, ...], named: Members) -> object:
    async def run() -> object:
        async with AsyncClient(url, key=key) as client:
            return await getattr(client, method)(*given, **named)

    return anyio.run(run)


def ask_node(url: str, key: str | None, method: str, given: tuple[object, ...], named: Members) -> object:
    arguments = json.dumps([in_camel_case(each) for each in (*given, named)])
    command: list[str | Path] = [BIN / "node", ROOT / "tests" / "clients" / "call.mjs", url, key or ""]
    said = subprocess.run([*command, camel(method), arguments], capture_output=True, text=True, check=True, timeout=60)
    told = json.loads(said.stdout)
    assert told["rateLimit"]["remaining"] < 100_000
    return told["answer"]


def in_camel_case(given: object) -> object:
    """Members of an object, and of those in a list."""
    if isinstance(given, list):
        return [in_camel_case(each) for each in given]
    return {camel(name): value for name, value in given.items()} if isinstance(given, dict) else given


def camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda found: found[1].upper(), name)


@pytest.fixture(params=[ask_waiting, ask_async, ask_node])
def caller(request: pytest.FixtureRequest) -> Caller:
    return Caller(request.param)


@contextmanager
def with_keys(tmp_path: Path, valkey_url: str) -> Iterator[Web]:
    with (
        running_web(tmp_path, valkey_url, LOCAL_MEDIA_DIR=str(tmp_path), API_KEYS=f"ann:{KEY}") as url,
        used(url, valkey_url, tmp_path, key=KEY) as web,
    ):
        yield web


@contextmanager
def running_delivery(variables: dict[str, str]) -> Iterator[None]:
    """The pool that sends webhooks, ready."""
    log = Path(variables["DATA_DIR"]) / "delivery.log"
    command = [sys.executable, "-m", "celery", "-A", "workers.app", "worker", "-Q", "delivery", "-c", "1"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | variables, stdout=output, stderr=output)
    try:
        wait_until(lambda: " ready." in log.read_text(), seconds=120)
        yield
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def losing_the_first_answer(web: Web) -> Iterator[FlakyProxy]:
    with running_proxy(web.url) as proxy:
        proxy.spoil = lambda _method, _path, body: b"" if len(proxy.requests) == 1 else body
        yield proxy


def test_a_submission_takes_all_that_the_api_takes(web: Web, caller: Caller) -> None:
    given: Members = {
        "chat_url": "file:chat.txt",
        "metadata": {"episode_number": "42", "team": "clips"},
        "options": {"audio_track": 2},
        "idempotency_key": "one",
    }
    job, again = (caller.one(web.url, "submit", "file:a.mp4", **given) for _ in range(2))

    assert again["job_id"] == job["job_id"]
    assert (job["chat_url"], job["metadata"]) == (given["chat_url"], given["metadata"])
    assert isinstance(job["options"], dict)
    assert job["options"]["audio_track"] == 2


def test_several_are_submitted_at_once_and_each_is_answered(web: Web, caller: Caller) -> None:
    given = [{"url": "file:a.mp4", "chat_url": "file:chat.txt", "metadata": {"a_b": "c"}}, {"url": "https://x.test/"}]

    taken, refused = caller.many(web.url, "submit_all", given)

    assert (taken["status"], taken["error"], refused["status"], refused["job"]) == (202, None, 422, None)
    assert isinstance(taken["job"], dict)
    assert isinstance(refused["error"], dict)
    assert (taken["job"]["metadata"], taken["job"]["chat_url"]) == ({"a_b": "c"}, "file:chat.txt")
    assert refused["error"]["code"] == "UNSUPPORTED_SOURCE"


def test_several_whose_answer_was_lost_are_made_once(web: Web, caller: Caller) -> None:
    with losing_the_first_answer(web) as proxy:
        answers = caller.many(proxy.url, "submit_all", [{"url": "file:a.mp4", "force": True}, {"url": "file:b.mp4"}])

    assert proxy.requests == ["POST /api/v1/analyses"] * 2
    assert [answer["status"] for answer in answers] == [200, 200]
    assert len(unfinished(web.store)) == 2


def test_jobs_are_listed_by_what_is_asked_for(web: Web, caller: Caller) -> None:
    first = web.submit("file:a.mp4", metadata={"team": "clips", "n": "1"})
    second = web.submit("file:b.mp4", metadata={"team": "clips", "n": "2"})
    web.submit("file:c.mp4")
    web.http.post(f"/api/v1/analysis/{second}/cancel").raise_for_status()

    def found(**query: object) -> list[str]:
        listed = caller.one(web.url, "jobs", **query)["jobs"]
        assert isinstance(listed, list)
        return [job["job_id"] for job in listed]

    assert found(metadata={"team": "clips"}, sort="created_at") == [first, second]
    assert found(metadata={"team": "clips", "n": "2"}) == [second]
    assert found(status=["cancelled", "failed"], source="local") == [second]
    assert found(status="queued", q="A.mp4") == [first]
    assert found(created_before="2020-01-01T00:00:00Z") == []
    page = caller.one(web.url, "jobs", limit=2, created_after="2020-01-01T00:00:00Z")
    assert page["total"] == 3
    assert len(found(limit=2, cursor=page["next_cursor"])) == 1


@pytest.mark.parametrize(("method", "status", "attempt"), [("cancel", "cancelled", 1), ("retry", "queued", 2)])
def test_what_lost_its_answer_is_sent_again_and_done_once(
    web: Web, caller: Caller, method: str, status: str, attempt: int
) -> None:
    job_id = web.submit()
    if method == "retry":
        web.http.post(f"/api/v1/analysis/{job_id}/cancel").raise_for_status()

    with losing_the_first_answer(web) as proxy:
        job = caller.one(proxy.url, method, job_id)

    assert proxy.requests == [f"POST /api/v1/analysis/{job_id}/{method}"] * 2
    assert (job["status"], job["attempt"]) == (status, attempt)


def test_only_what_is_still_being_done_is_asked_again_after_a_conflict() -> None:
    def refused(error: IdempotentInProgress | JobConflict) -> Exception:
        return api_error(409, problem(error, instance="/").as_dict(), retry_after=None)

    assert may_ask_again(is_repeatable=True)(refused(IdempotentInProgress()))
    assert not may_ask_again(is_repeatable=False)(refused(IdempotentInProgress()))
    assert not may_ask_again(is_repeatable=True)(refused(JobConflict("It has completed.")))


def test_what_has_not_changed_is_not_sent_again(web: Web) -> None:
    def page(client: Client) -> list[str]:
        return [job["job_id"] for job in client.jobs(limit=5)["jobs"]]

    sent: list[int] = []

    def counted(_method: str, _path: str, body: bytes) -> bytes:
        sent.append(len(body))
        return body

    with running_proxy(web.url) as proxy, Client(proxy.url) as client:
        proxy.spoil = counted
        first = web.submit("file:a.mp4")
        Worker(web, first).claim()
        assert page(client) == page(client) == [first]
        assert client.jobs(limit=6)["total"] == 1
        second = web.submit("file:b.mp4")
        assert page(client) == [second, first]

        assert client.rate_limit
        assert (client.rate_limit.name, client.rate_limit.remaining < 100_000) == ("read", True)

    assert [size > 0 for size in sent] == [True, False, True, True]


def test_a_finished_job_is_removed_and_another_one_is_cancelled(web: Web, caller: Caller) -> None:
    job_id = web.submit()
    Worker(web, job_id).complete()

    assert caller.ask(web.url, None, "remove", (job_id,), {}) is None
    assert caller.one(web.url, "remove", web.submit())["status"] == "cancelled"

    with Client(web.url) as client, pytest.raises(NotFound):
        client.job(job_id)


def test_a_removal_whose_answer_was_lost_is_not_sent_again(web: Web, caller: Caller) -> None:
    job_id = web.submit()
    with losing_the_first_answer(web) as proxy, pytest.raises((Unreachable, subprocess.CalledProcessError)):
        caller.ask(proxy.url, None, "remove", (job_id,), {})

    assert proxy.requests == [f"DELETE /api/v1/analysis/{job_id}"]


def test_a_webhook_is_sent_again(web: Web, caller: Caller) -> None:
    with running_receiver() as receiver:
        web.store.create(replace(numbered_job(), callback_url=receiver.url()), max_active=1)
        cancel(web.store, "job1")
        sender = WebhookSender((SECRET,), private_hosts=frozenset({receiver.address}))
        delivery = WebhookDelivery(web.store, sender, public_url="https://klip.example")
        delivery.sweep()
        (shown,) = caller.many(web.url, "deliveries", "job1")

        replayed = caller.one(web.url, "replay", "job1", shown["id"])
        delivery.sweep()

    assert (shown["state"], replayed["state"], replayed["id"]) == ("delivered", "pending", shown["id"])
    assert [request.headers["webhook-id"] for request in receiver.received] == [shown["id"]] * 2


def test_a_receiver_is_tried_and_told_what_is_asked_for(tmp_path: Path, valkey_url: str, caller: Caller) -> None:
    with running_receiver() as receiver:
        settings = {"WEBHOOK_SECRET": SECRET, "ALLOW_PRIVATE_HOSTS": receiver.address, "LOCAL_MEDIA_DIR": str(tmp_path)}
        with (
            running_web(tmp_path, valkey_url, **settings) as url,
            used(url, valkey_url, tmp_path),
            running_delivery({"REDIS_URL": valkey_url, "DATA_DIR": str(tmp_path), **settings}),
        ):
            pong = caller.one(url, "ping", receiver.url())
            told = {"callback_url": receiver.url(), "callback_events": ["job.failed"]}
            job = caller.one(url, "submit", "file:a.mp4", **told)

        (event,) = receiver.verified(SECRET)
        assert (pong["status"], pong["error"], event["type"]) == (204, None, "ping")
        assert job["callback_events"] == ["job.failed"]
        assert receiver.received[0].headers["webhook-id"] == pong["id"]


def test_a_token_opens_the_job_without_a_header_and_changes_nothing(
    tmp_path: Path, valkey_url: str, caller: Caller
) -> None:
    with with_keys(tmp_path, valkey_url) as web:
        job_id = web.submit()
        Worker(web, job_id).claim()
        token = caller.ask(web.url, KEY, "token", (job_id,), {})
        assert isinstance(token, dict)
        query = {"access_token": str(token["token"])}

        assert httpx.get(f"{web.url}{token['results_url']}").json()["code"] == "RESULTS_NOT_READY"
        assert httpx.get(f"{web.url}/api/v1/analysis/{job_id}/files/manifest.json", params=query).status_code == 200
        assert httpx.post(f"{web.url}/api/v1/analysis/{job_id}/cancel", params=query).status_code == 401


def test_the_link_that_a_model_is_given_opens_and_has_no_key(tmp_path: Path, valkey_url: str) -> None:
    async def clip(url: str, job_id: str) -> Members:
        async with McpClient(make_server(url, key=KEY)) as client:
            result = await client.call_tool("clip", {"job_id": job_id, "rank": 1})
        assert isinstance(result.structured_content, dict)
        return result.structured_content

    with with_keys(tmp_path, valkey_url) as web:
        shown = anyio.run(clip, web.url, stored(web, tmp_path, FILE))

        assert httpx.get(str(shown["url"])).content == FILE
        assert KEY not in str(shown["url"])
        assert shown["opens_for_seconds"] == 900


def test_javascript_addresses_carry_a_token_and_never_the_key(tmp_path: Path, valkey_url: str) -> None:
    with with_keys(tmp_path, valkey_url) as web:
        paths = [f"/api/v1/analysis/{web.submit()}/files/manifest.json" for _ in range(2)]
        command: list[str | Path] = [BIN / "node", "--test", ROOT / "tests" / "clients" / "address.test.ts"]
        variables = {"KLIPSTREAM_URL": web.url, "KEY": KEY, "PATHS": " ".join(paths)}
        environment = {**os.environ, **variables}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
