"""Everything at once: Twitch, Deepgram, Google Cloud Storage, Convex and a webhook receiver, as on three machines."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest

from shared.files import URL_FILES
from shared.redis.embedded import free_port
from shared.stages import STAGES
from tests.acceptance.conftest import NO_LIMITS, SAMPLES, Api
from tests.acceptance.test_compose_commands import is_ready
from tests.compose import commands, running
from tests.conftest import running_valkey, wait_until
from tests.described import Description
from tests.peers import deepgram
from tests.peers.convex_peer import DEPLOY_KEY, ConvexPeer, running_convex
from tests.peers.gcs import make_bucket, objects, running_fake_gcs
from tests.peers.processes import listening
from tests.peers.receiver import Receiver, running_receiver
from tests.peers.twitch_process import running_twitch

VOD, SECONDS = "2434635255", 190
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BUCKET, PREFIX = "klip-files", "prod"
# Which services of docker-compose.yml share a machine, and so a DATA_DIR.
MACHINES = {
    "front": ["web", "worker-delivery", "scheduler"],
    "fetcher": ["worker-download"],
    "listener": ["worker-transcription"],
    "analyst": ["worker-analysis"],
}


class Deployment(NamedTuple):
    api: Api
    folder: Path  # one subfolder a machine
    gcs: str
    convex: ConvexPeer
    receiver: Receiver


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("machines")
    port = free_port()
    with ExitStack() as stack:
        gcs = stack.enter_context(running_fake_gcs())
        make_bucket(gcs, BUCKET)
        convex = stack.enter_context(running_convex())
        receiver = stack.enter_context(running_receiver())
        twitch = stack.enter_context(running_twitch())
        twitch.fresh()
        twitch.control(vods=[{"id": VOD, "seconds": SECONDS, "chat": str(SAMPLES / "demo_chat.json")}])
        port_file = Path(stack.enter_context(TemporaryDirectory())) / "port"
        command = [sys.executable, "-m", "tests.peers.deepgram", "--port-file", str(port_file)]
        listener = stack.enter_context(listening(command, port_file=port_file))
        settings = {
            "PORT": str(port),
            "PUBLIC_URL": f"http://127.0.0.1:{port}",
            "REDIS_URL": stack.enter_context(running_valkey(folder / "redis")),
            "ARTIFACTS_URL": f"gs://{BUCKET}/{PREFIX}",
            "STORAGE_EMULATOR_HOST": gcs,
            "CANCELLED_KEEP_MINUTES": "0",
            "CONVEX_URL": convex.url,
            "CONVEX_DEPLOY_KEY": DEPLOY_KEY,
            "DEEPGRAM_API_KEY": deepgram.KEY,
            "DEEPGRAM_BASE_URL": f"http://127.0.0.1:{listener}",
            "TWITCH_HOST_MAP": twitch.setting(),
            "WEBHOOK_SECRET": SECRET,
            "ALLOW_PRIVATE_HOSTS": receiver.address,
        }
        for machine, services in MACHINES.items():
            (folder / machine).mkdir()
            environment = {**os.environ, **NO_LIMITS, **settings, "DATA_DIR": str(folder / machine)}
            for service in services:
                log = folder / f"{service}.log"
                stack.enter_context(running(commands()[service], environment, log))
        url = settings["PUBLIC_URL"]
        api = stack.enter_context(Api(url))
        wait_until(lambda: is_ready(api), seconds=60, every=0.5)
        yield Deployment(api, folder, gcs, convex, receiver)


@pytest.fixture(scope="module")
def job(deployment: Deployment) -> dict[str, Any]:
    """A VOD that went through all of it, with its picture kept, so that all seven addresses exist."""
    submitted = deployment.api.submit(
        f"https://www.twitch.tv/videos/{VOD}", callback_url=deployment.receiver.url(), options={"video": "full"}
    )
    return deployment.api.wait(submitted["job_id"], seconds=180)


def row_of(deployment: Deployment, job: dict[str, Any]) -> dict[str, Any]:
    """The job's row, once it shows the end."""

    def found() -> list[dict[str, Any]]:
        return [row for row in deployment.convex.rows() if row.get("jobId") == job["job_id"]]

    wait_until(lambda: bool(found()) and found()[0]["status"] == "Completed", seconds=30)
    return found()[0]


def test_the_job_completes_with_words_from_deepgram(deployment: Deployment, job: dict[str, Any]) -> None:
    assert job["status"] == "completed", job["error"]

    results = deployment.api.results(job["job_id"])
    assert results["transcript"]["provider"] == "deepgram"
    assert results["transcript"]["words"] > 0
    assert results["highlights"]


def test_the_files_are_in_the_bucket_and_in_no_machines_store(deployment: Deployment, job: dict[str, Any]) -> None:
    stored = objects(deployment.gcs, BUCKET)

    listed = deployment.api.results(job["job_id"])["files"]
    assert {f"{PREFIX}/{job['job_id']}/{name}" for name in listed} <= set(stored)
    assert not list(deployment.folder.glob("*/artifacts"))
    assert not list(deployment.folder.glob("*/work/*"))


def test_the_row_showed_every_stage_in_order_and_100(deployment: Deployment, job: dict[str, Any]) -> None:
    row = row_of(deployment, job)

    shown = [call["args"]["status"] for call in deployment.convex.calls() if "status" in call["args"]]
    assert list(dict.fromkeys(shown)) == ["Queued", *(stage.title for stage in STAGES), "Completed"]
    assert row["progressPercentage"] == 100
    assert row["stageProgress"] == {stage.name: 100 for stage in STAGES}
    assert (row["twitchId"], row["title"]) == (VOD, job["video"]["title"])


def test_the_row_was_never_set_back(deployment: Deployment, job: dict[str, Any]) -> None:
    row_of(deployment, job)

    snapshots = [call["args"] for call in deployment.convex.calls() if "seq" in call["args"]]
    assert [one["seq"] for one in snapshots] == sorted(one["seq"] for one in snapshots)
    percentages = [one["progressPercentage"] for one in snapshots]
    assert percentages == sorted(percentages)


def test_each_of_the_seven_addresses_in_the_row_can_be_fetched(deployment: Deployment, job: dict[str, Any]) -> None:
    row = row_of(deployment, job)

    for field in URL_FILES:
        answer = deployment.api.http.get(row[field], follow_redirects=True)
        assert answer.status_code == 200, field
        assert answer.content, field


def test_the_webhooks_verify_and_are_listed(deployment: Deployment, job: dict[str, Any]) -> None:
    path = f"/api/v1/analysis/{job['job_id']}/deliveries"
    wait_until(lambda: len(deployment.receiver.received) == 2, seconds=30)

    started, completed = deployment.receiver.verified(SECRET)
    assert (started["type"], completed["type"]) == ("job.started", "job.completed")
    assert completed["data"]["job_id"] == job["job_id"]
    for body in (started, completed):
        Description(deployment.api.http).check("Webhook", body)
    Description(deployment.api.http).check_answer("/api/v1/analysis/{job_id}/deliveries", deployment.api.http.get(path))
    assert deployment.api.http.get(completed["data"]["links"]["results"]).status_code == 200

    def listed() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = deployment.api.http.get(path).json()["deliveries"]
        return found

    wait_until(lambda: [one["state"] for one in listed()] == ["delivered", "delivered"], seconds=10)
    assert [one["tries"][0]["status"] for one in listed()] == [204, 204]


def test_a_cancelled_jobs_files_leave_the_bucket(deployment: Deployment, job: dict[str, Any]) -> None:
    other = deployment.api.submit(VOD, force=True)["job_id"]

    def stored() -> list[str]:
        return [name for name in objects(deployment.gcs, BUCKET) if f"/{other}/" in name]

    wait_until(lambda: bool(stored()), seconds=60)
    assert deployment.api.http.delete(f"/api/v1/analysis/{other}").status_code == 202

    wait_until(lambda: not stored(), seconds=40, every=0.5)
    assert deployment.api.results(job["job_id"])["job_id"] == job["job_id"]


def test_every_service_shows_a_closed_breaker(deployment: Deployment, job: dict[str, Any]) -> None:
    breakers = deployment.api.http.get("/api/v1/reliability").json()["breakers"]

    assert {figures.get("state", "closed") for figures in breakers.values()} <= {"closed"}


def test_a_removed_job_is_gone_from_bucket_and_rows(deployment: Deployment, job: dict[str, Any]) -> None:
    submitted = deployment.api.submit(f"https://www.twitch.tv/videos/{VOD}", options={"video": "none", "highlights": 2})
    done = deployment.api.wait(submitted["job_id"], seconds=180)
    row_of(deployment, done)
    assert any(done["job_id"] in name for name in objects(deployment.gcs, BUCKET))

    answer = deployment.api.http.delete(f"/api/v1/analysis/{done['job_id']}")

    assert answer.status_code == 204
    assert not any(done["job_id"] in name for name in objects(deployment.gcs, BUCKET))
    wait_until(lambda: all(row.get("jobId") != done["job_id"] for row in deployment.convex.rows()), seconds=30)
    assert any(row.get("jobId") == job["job_id"] for row in deployment.convex.rows())


def test_a_ping_tries_the_receiver_from_where_webhooks_are_sent(deployment: Deployment, job: dict[str, Any]) -> None:
    before = len(deployment.receiver.received)

    answer = deployment.api.http.post("/api/v1/webhooks/ping", json={"callback_url": deployment.receiver.url()})
    refused = deployment.api.http.post("/api/v1/webhooks/ping", json={"callback_url": "https://10.0.0.1/hook"})

    assert (answer.status_code, answer.json()["status"]) == (200, 204)
    Description(deployment.api.http).check_answer("/api/v1/webhooks/ping", answer)
    (ping,) = [body for body in deployment.receiver.verified(SECRET)[before:] if body["type"] == "ping"]
    assert ping["data"] == {}
    assert answer.json()["id"] in {request.headers["webhook-id"] for request in deployment.receiver.received}
    assert (refused.status_code, list(refused.json()["errors"])) == (422, ["callback_url"])
