"""Keys and rate limits."""

import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from environs import Env
from flask.testing import FlaskClient
from itsdangerous import TimestampSigner, URLSafeTimedSerializer

from shared.redis.keys import TOKEN_SECRET
from shared.settings import Settings, read_settings
from tests.conftest import SettingsMaker, running_valkey, wait_until
from tests.described import Description
from tests.integration.conftest import Web, running_web, used
from tests.integration.ended_jobs import complete, keep
from web import create_app
from web.job_token import LIFE_S
from web.key_ring import LOOK_EVERY_S

KEYS = "ann:key-of-ann-is-long,bob:key-of-bob-is-long"


@pytest.fixture(scope="module")
def keyed_server(tmp_path_factory: pytest.TempPathFactory, valkey_url: str) -> Iterator[tuple[str, Path]]:
    data_dir = tmp_path_factory.mktemp("keyed")
    with running_web(data_dir, valkey_url, LOCAL_MEDIA_DIR=str(data_dir), API_KEYS=KEYS) as url:
        yield url, data_dir


@pytest.fixture
def ann(keyed_server: tuple[str, Path], valkey_url: str) -> Iterator[Web]:
    url, data_dir = keyed_server
    with used(url, valkey_url, data_dir, key="key-of-ann-is-long") as found:
        yield found


@pytest.fixture
def bob(ann: Web) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=ann.url, headers={"Authorization": "Bearer key-of-bob-is-long"}) as client:
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
        {"Authorization": "key-of-ann-is-long"},
        {"Authorization": "Basic key-of-ann-is-long"},
        {"Authorization": "Bearer key-of-ann-is-long,key-of-bob-is-long"},
        {"X-API-Key": "key-of-ann-is-long"},
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/jobs", "/api/v1/errors", "/api/v1/analysis/x/stream", "/api/v1/queues"])
def test_without_a_right_key_no_call_is_answered(ann: Web, headers: dict[str, str], path: str) -> None:
    answer = httpx.get(ann.url + path, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHORIZED")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/metrics", "/api/v1/queues", "/api/v1/reliability"])
def test_what_operators_look_at_needs_a_key_too(ann: Web, path: str) -> None:
    refused = httpx.get(ann.url + path)

    assert (refused.status_code, refused.json()["code"]) == (401, "UNAUTHORIZED")
    assert ann.http.get(path).status_code == 200


def test_old_and_new_keys_work_until_the_file_says_otherwise(tmp_path: Path, valkey_url: str) -> None:
    keys = tmp_path / "api_keys"
    old, new, bobs = (f"key-of-{name}-is-long" for name in ("ann-the-old", "ann-the-new", "bob"))

    def write(text: str) -> None:
        """As a secret's mount is changed: another file takes the place."""
        (tmp_path / "next").write_text(text)
        (tmp_path / "next").replace(keys)

    def answers(key: str) -> int:
        return httpx.get(f"{url}/api/v1/jobs", headers={"Authorization": f"Bearer {key}"}, timeout=30).status_code

    def are(*wanted: int) -> bool:
        return tuple(map(answers, (old, new, bobs))) == wanted

    def change(text: str, *wanted: int) -> None:
        """A second later each process looks at the file before it answers, whichever of the two that is."""
        write(text)
        changed = time.monotonic()
        wait_until(lambda: time.monotonic() - changed > LOOK_EVERY_S + 0.1)
        assert all(are(*wanted) for _ in range(10))

    log = tmp_path / "data" / "web.log"
    write(f"ann:{old},bob:{bobs}")
    settings = {"LOCAL_MEDIA_DIR": str(tmp_path), "API_KEYS_FILE": str(keys), "WEB_CONCURRENCY": "2"}
    with running_web(tmp_path / "data", valkey_url, **settings) as url:
        assert are(200, 401, 200)
        with used(url, valkey_url, tmp_path / "data", key=old) as web:
            job_id = web.submit()

        # Both work while clients change over, and own the same jobs
        change(f"ann:{new},ann:{old},bob:{bobs}", 200, 200, 200)
        seen = httpx.get(f"{url}/api/v1/analysis/{job_id}", headers={"Authorization": f"Bearer {new}"}, timeout=30)
        assert seen.status_code == 200

        # Then the old one goes
        change(f"ann:{new},bob:{bobs}", 401, 200, 200)

        # What can't be used changes nothing, and is said without the keys
        for slip in (f"ann:{new},bob:short", "", "ann"):
            change(slip, 401, 200, 200)
        keys.unlink()
        assert are(401, 200, 200)
    said = log.read_text()
    assert said.count('"api_keys_not_read"') >= 3
    assert "fewer than 16 characters" in said
    assert [key for key in (old, new, bobs, "short") if key in said] == []


@pytest.mark.parametrize("path", ["/health", "/", "/docs", "/openapi.json", "/console", "/docs/errors"])
def test_what_is_not_the_api_needs_no_key(ann: Web, path: str) -> None:
    assert httpx.get(ann.url + path).status_code == 200


# What stands in an address besides the job, and the bodies of those that need one.
IN_ADDRESSES: dict[str, str | int] = {
    "name": "manifest.json",
    "form": "csv",
    "format": "csv",
    "rank": 1,
    "delivery_id": "msg_1",
}
BODIES: dict[str, dict[str, object]] = {"feedback.edit": {"verdict": "good"}}


def calls_about_a_job() -> list[tuple[str, str, str]]:
    """Endpoint, method and address of every route that names a job; `JOB` stands for its id."""
    app = create_app(read_settings(Env()))
    calls = []
    addresses = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        if "job_id" in rule.arguments:
            values = {name: IN_ADDRESSES[name] for name in rule.arguments - {"job_id"}}
            path = addresses.build(rule.endpoint, {"job_id": "JOB", **values})
            methods = (rule.methods or set()) - {"OPTIONS", "HEAD"}
            calls += [(rule.endpoint, method, path) for method in sorted(methods)]
    return sorted(set(calls))


@pytest.mark.parametrize(("endpoint", "method", "path"), calls_about_a_job())
def test_the_job_of_another_key_does_not_exist(
    ann: Web, bob: httpx.Client, endpoint: str, method: str, path: str
) -> None:
    for is_finished in (False, True):
        job_id = ann.submit()
        if is_finished:
            complete(ann, job_id)

        answer = bob.request(method, path.replace("JOB", job_id), json=BODIES.get(endpoint))

        assert (answer.status_code, answer.json()["code"]) == (404, "JOB_NOT_FOUND")
        assert ann.store.get(job_id).status == ("completed" if is_finished else "queued")


def test_every_address_below_a_job_is_looked_at() -> None:
    assert {"analysis.remove", "stream.stream", "files.file", "tokens.make", "deliveries.deliveries"} <= {
        endpoint for endpoint, _, _ in calls_about_a_job()
    }


def test_each_key_has_its_own_jobs_and_idempotency_keys(ann: Web, bob: httpx.Client) -> None:
    request = {"json": {"url": "1"}, "headers": {"Idempotency-Key": "same"}}

    of_ann = ann.http.post("/api/v1/analysis", **request)  # type: ignore[arg-type]
    of_bob = bob.post("/api/v1/analysis", **request)  # type: ignore[arg-type]

    assert (of_ann.status_code, of_bob.status_code) == (202, 202)
    assert [job["job_id"] for job in ann.http.get("/api/v1/jobs").json()["jobs"]] == [of_ann.json()["job_id"]]
    assert [job["job_id"] for job in bob.get("/api/v1/jobs").json()["jobs"]] == [of_bob.json()["job_id"]]


def test_streams_and_files_take_the_key_as_a_parameter_and_nothing_else_does(ann: Web) -> None:
    job = f"{ann.url}/api/v1/analysis/{ann.submit()}"
    key = {"access_token": "key-of-ann-is-long"}

    assert httpx.head(f"{job}/stream", params=key).status_code == 200
    assert httpx.get(f"{job}/files/manifest.json", params=key).status_code == 200
    assert httpx.get(f"{job}/stream", params={"access_token": "key-of-bob-is-long"}).status_code == 404
    assert [httpx.get(job + part, params=key).status_code for part in ("", "/status", "/results")] == [401] * 3


# --- tokens -----------------------------------------------------------------------------------------------------------


READABLE = ("/stream", "/results", "/files/manifest.json", "/export/csv", "/deliveries")


def token_for(web: Web, job_id: str) -> dict[str, str]:
    answer = web.http.post(f"/api/v1/analysis/{job_id}/tokens")
    assert answer.status_code == 201, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    Description(web.http).check_answer("/api/v1/analysis/{job_id}/tokens", answer)
    return {"access_token": answer.json()["token"]}


def test_a_token_reads_its_job_and_nothing_else(ann: Web, tmp_path: Path) -> None:
    job_id, other = ann.submit("file:a.mp4"), ann.submit("file:b.mp4")
    for made in (job_id, other):
        keep(ann, made, tmp_path)
        complete(ann, made)
    token = token_for(ann, job_id)
    job = f"{ann.url}/api/v1/analysis/{job_id}"

    assert [httpx.get(job + part, params=token).status_code for part in READABLE] == [200] * 5
    assert httpx.get(f"{ann.url}{ann.http.post(f'{job}/tokens').json()['results_url']}").status_code == 200
    assert [httpx.get(job + part).status_code for part in READABLE] == [401] * 5
    elsewhere = f"{ann.url}/api/v1/analysis/{other}"
    assert [httpx.get(elsewhere + part, params=token).status_code for part in READABLE] == [401] * 5
    changes = [
        ("DELETE", ""),
        ("POST", "/cancel"),
        ("POST", "/retry"),
        ("POST", "/tokens"),
        ("GET", ""),
        ("GET", "/status"),
    ]
    assert {httpx.request(method, job + part, params=token).status_code for method, part in changes} == {401}
    as_key = {"Authorization": f"Bearer {token['access_token']}"}
    assert httpx.get(f"{job}/results", headers=as_key).status_code == 401


def test_a_token_ends_after_a_quarter_of_an_hour_and_can_not_be_forged(ann: Web, tmp_path: Path) -> None:
    job_id = ann.submit()
    keep(ann, job_id, tmp_path)
    complete(ann, job_id)
    results = f"{ann.url}/api/v1/analysis/{job_id}/results"
    token = token_for(ann, job_id)["access_token"]
    secret = str(ann.store.redis.get(TOKEN_SECRET))
    grant = [job_id, "ann"]

    def status(forged: str) -> int:
        return httpx.get(results, params={"access_token": forged}).status_code

    def signed(at: float, key: str = secret) -> str:
        class Signer(TimestampSigner):
            def get_timestamp(self) -> int:
                return int(at)

        options = {"digest_method": hashlib.sha256}
        serializer = URLSafeTimedSerializer(key, salt="klipstream.job-token", signer=Signer, signer_kwargs=options)
        return str(serializer.dumps(grant))

    assert status(token) == status(signed(time.time() - LIFE_S + 60)) == 200
    assert status(signed(time.time() - LIFE_S - 5)) == 401
    assert status(signed(time.time(), "guessed")) == 401
    assert status(token[:-3] + "AAA") == status("x" * 3000) == status("") == 401


def test_a_token_is_good_at_every_web_process_and_only_while_its_owner_has_a_key(
    ann: Web, keyed_server: tuple[str, Path], valkey_url: str, tmp_path: Path
) -> None:
    job_id = ann.submit()
    keep(ann, job_id, tmp_path)
    complete(ann, job_id)
    token = token_for(ann, job_id)
    path = f"/api/v1/analysis/{job_id}/results"

    with running_web(keyed_server[1], valkey_url, API_KEYS=KEYS) as url:
        assert httpx.get(url + path, params=token).status_code == 200
    with running_web(keyed_server[1], valkey_url, API_KEYS="bob:key-of-bob-is-long") as url:
        assert httpx.get(url + path, params=token).status_code == 401


def test_the_token_of_a_removed_job_finds_nothing(ann: Web) -> None:
    job_id = ann.submit()
    complete(ann, job_id)
    token = token_for(ann, job_id)
    ann.http.delete(f"/api/v1/analysis/{job_id}")

    assert httpx.get(f"{ann.url}/api/v1/analysis/{job_id}/results", params=token).status_code == 404


def test_keys_never_reach_the_log(ann: Web, keyed_server: tuple[str, Path]) -> None:
    httpx.get(f"{ann.url}/api/v1/analysis/x/stream", params={"access_token": "key-of-ann-is-long"})
    httpx.get(f"{ann.url}/api/v1/jobs", headers={"X-Request-ID": "the-last-one"})

    log = (keyed_server[1] / "web.log").read_text()
    assert "the-last-one" in log
    assert "key-of-ann-is-long" not in log


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

    assert [ask(one, "key-of-ann-is-long"), ask(other, "key-of-ann-is-long"), ask(one, "key-of-ann-is-long")] == [
        200,
        200,
        429,
    ]
    assert [ask(one, "key-of-bob-is-long"), ask(one, "guess-1"), ask(one, "guess-2"), ask(one, "guess-3")] == [
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
