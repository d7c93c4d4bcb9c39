"""Keys and rate limits."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from flask.testing import FlaskClient

from shared.settings import Settings
from tests.conftest import SettingsMaker, running_valkey
from tests.integration.conftest import Web, running_web, used
from web import create_app

KEYS = "ann:key-of-ann,bob:key-of-bob"


@pytest.fixture(scope="module")
def keyed_server(tmp_path_factory: pytest.TempPathFactory, valkey_url: str) -> Iterator[tuple[str, Path]]:
    data_dir = tmp_path_factory.mktemp("keyed")
    with running_web(data_dir, valkey_url, LOCAL_MEDIA_DIR=str(data_dir), API_KEYS=KEYS) as url:
        yield url, data_dir


@pytest.fixture
def ann(keyed_server: tuple[str, Path], valkey_url: str) -> Iterator[Web]:
    url, data_dir = keyed_server
    with used(url, valkey_url, data_dir, key="key-of-ann") as found:
        yield found


@pytest.fixture
def bob(ann: Web) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=ann.url, headers={"Authorization": "Bearer key-of-bob"}) as client:
        yield client


def test_a_retry_counts_as_an_unfinished_job(tmp_path: Path, valkey_url: str) -> None:
    data_dir = tmp_path / "few"
    settings = {"LOCAL_MEDIA_DIR": str(tmp_path), "MAX_ACTIVE_JOBS_PER_KEY": "2"}
    with running_web(data_dir, valkey_url, **settings) as url, used(url, valkey_url, data_dir) as web:
        first = web.submit("file:a.mp4")
        web.http.delete(f"/api/v1/analysis/{first}")
        other = web.submit("file:b.mp4")
        web.submit("file:c.mp4")

        refused = web.http.post(f"/api/v1/analysis/{first}/retry")
        web.http.delete(f"/api/v1/analysis/{other}")
        accepted = web.http.post(f"/api/v1/analysis/{first}/retry")

    assert (refused.status_code, refused.json()["code"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert refused.headers["Retry-After"] == "60"
    assert (accepted.status_code, accepted.json()["attempt"]) == (202, 2)


# --- keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": "key-of-ann"},
        {"Authorization": "Basic key-of-ann"},
        {"Authorization": "Bearer key-of-ann,key-of-bob"},
        {"X-API-Key": "key-of-ann"},
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/jobs", "/api/v1/errors", "/api/v1/analysis/x/stream", "/api/v1/queues"])
def test_without_a_right_key_no_call_is_answered(ann: Web, headers: dict[str, str], path: str) -> None:
    answer = httpx.get(ann.url + path, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHORIZED")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/health", "/", "/docs", "/openapi.json", "/console", "/docs/errors", "/metrics"])
def test_what_is_not_the_api_needs_no_key(ann: Web, path: str) -> None:
    assert httpx.get(ann.url + path).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/status"),
        ("GET", "/stream"),
        ("GET", "/results"),
        ("GET", "/files/manifest.json"),
        ("GET", "/export/csv"),
        ("DELETE", ""),
        ("POST", "/retry"),
    ],
)
def test_the_job_of_another_key_does_not_exist(ann: Web, bob: httpx.Client, method: str, path: str) -> None:
    job_id = ann.submit()

    answer = bob.request(method, f"/api/v1/analysis/{job_id}{path}")

    assert (answer.status_code, answer.json()["code"]) == (404, "JOB_NOT_FOUND")
    assert ann.store.get(job_id).status == "queued"


def test_each_key_has_its_own_jobs_and_idempotency_keys(ann: Web, bob: httpx.Client) -> None:
    request = {"json": {"url": "1"}, "headers": {"Idempotency-Key": "same"}}

    of_ann = ann.http.post("/api/v1/analysis", **request)  # type: ignore[arg-type]
    of_bob = bob.post("/api/v1/analysis", **request)  # type: ignore[arg-type]

    assert (of_ann.status_code, of_bob.status_code) == (202, 202)
    assert [job["job_id"] for job in ann.http.get("/api/v1/jobs").json()["jobs"]] == [of_ann.json()["job_id"]]
    assert [job["job_id"] for job in bob.get("/api/v1/jobs").json()["jobs"]] == [of_bob.json()["job_id"]]


def test_streams_and_files_take_the_key_as_a_parameter_and_nothing_else_does(ann: Web) -> None:
    job = f"{ann.url}/api/v1/analysis/{ann.submit()}"
    key = {"access_token": "key-of-ann"}

    assert httpx.head(f"{job}/stream", params=key).status_code == 200
    assert httpx.get(f"{job}/files/manifest.json", params=key).status_code == 200
    assert httpx.get(f"{job}/stream", params={"access_token": "key-of-bob"}).status_code == 404
    assert [httpx.get(job + part, params=key).status_code for part in ("", "/status", "/results")] == [401] * 3


def test_keys_never_reach_the_log(ann: Web, keyed_server: tuple[str, Path]) -> None:
    httpx.get(f"{ann.url}/api/v1/analysis/x/stream", params={"access_token": "key-of-ann"})
    httpx.get(f"{ann.url}/api/v1/jobs", headers={"X-Request-ID": "the-last-one"})

    log = (keyed_server[1] / "web.log").read_text()
    assert "the-last-one" in log
    assert "key-of-ann" not in log


def test_without_keys_only_loopback_is_served(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "gunicorn", "-c", "web/gunicorn.conf.py", "web:app"],
        env={"DATA_DIR": str(tmp_path), "HOST": "0.0.0.0", "PORT": "0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ran.returncode == 1
    assert ran.stderr == "klipstream: API_KEYS is empty: without keys HOST must be a loopback address, not 0.0.0.0\n"


# --- limits -----------------------------------------------------------------------------------------------------------


def clients(config: Settings) -> FlaskClient:
    return create_app(config).test_client()


def test_too_many_reads_are_refused_with_the_time_to_wait(
    config: Settings, make_settings: SettingsMaker, valkey_url: str
) -> None:
    client = clients(make_settings(REDIS_URL=valkey_url, RATE_LIMIT_READ="3/hour"))

    answers = [client.get("/api/v1/errors") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    problem = answers[-1].get_json()
    assert (problem["code"], problem["retryable"]) == ("RATE_LIMIT_EXCEEDED", True)
    assert 0 < problem["retry_after_seconds"] <= 3600
    assert answers[-1].headers["Retry-After"] == str(problem["retry_after_seconds"])
    assert client.get("/health").status_code == 200


def test_submissions_are_counted_apart_and_refusals_count(
    config: Settings, make_settings: SettingsMaker, valkey_url: str
) -> None:
    client = clients(make_settings(REDIS_URL=valkey_url, RATE_LIMIT_SUBMIT="2/hour", RATE_LIMIT_READ="1/hour"))

    submissions = [client.post("/api/v1/analysis", json={}).status_code for _ in range(3)]
    reads = [client.get("/api/v1/errors").status_code for _ in range(2)]

    assert submissions == [422, 422, 429]
    assert reads == [200, 429]


def test_limits_are_per_key_and_shared_by_all_processes(
    config: Settings, make_settings: SettingsMaker, valkey_url: str
) -> None:
    limited = make_settings(REDIS_URL=valkey_url, RATE_LIMIT_READ="2/hour", API_KEYS=KEYS)
    one, other = clients(limited), clients(limited)

    def ask(client: FlaskClient, key: str) -> int:
        return client.get("/api/v1/errors", headers={"Authorization": f"Bearer {key}"}).status_code

    assert [ask(one, "key-of-ann"), ask(other, "key-of-ann"), ask(one, "key-of-ann")] == [200, 200, 429]
    assert [ask(one, "key-of-bob"), ask(one, "guess-1"), ask(one, "guess-2"), ask(one, "guess-3")] == [
        200,
        401,
        401,
        429,
    ]


def test_without_redis_the_limiter_breaks_nothing(make_settings: SettingsMaker, tmp_path: Path) -> None:
    with running_valkey(tmp_path / "gone") as url:
        client = clients(make_settings(REDIS_URL=url, RATE_LIMIT_READ="3/hour"))
        assert client.get("/api/v1/errors").status_code == 200

    began = time.monotonic()
    answers = [client.get("/api/v1/errors").status_code for _ in range(2)]
    jobs = client.get("/api/v1/jobs")

    assert answers == [200, 200]
    assert (jobs.status_code, jobs.get_json()["code"]) == (503, "DATABASE_ERROR")
    assert time.monotonic() - began < 60
