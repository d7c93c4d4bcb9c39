"""What answers carry besides their bodies: limits, ETags, compression, CORS; and answers given again."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from shared.redis import keys
from tests.conftest import SettingsMaker
from tests.integration.conftest import Web, running_web, used
from tests.integration.ended_jobs import FILES, complete, fail, keep
from web import create_app

ORIGIN = "https://app.example"


@pytest.fixture
def job(web: Web, tmp_path: Path) -> str:
    """The address of a completed job."""
    job_id = web.submit()
    keep(web, job_id, tmp_path)
    complete(web, job_id)
    return f"/api/v1/analysis/{job_id}"


@pytest.fixture(scope="module")
def cross_origin(tmp_path_factory: pytest.TempPathFactory, valkey_url: str) -> Iterator[str]:
    data_dir = tmp_path_factory.mktemp("cors")
    settings = {"LOCAL_MEDIA_DIR": str(data_dir), "CORS_ORIGINS": ORIGIN}
    with running_web(data_dir, valkey_url, **settings) as url, used(url, valkey_url, data_dir):
        yield url


# --- limits -----------------------------------------------------------------------------------------------------------


def test_every_answer_says_what_is_left_of_its_limit(make_settings: SettingsMaker, valkey_url: str) -> None:
    settings = {"RATE_LIMIT_READ": "3/hour", "RATE_LIMIT_SUBMIT": "5/minute", "API_KEYS": "ann:" + "k" * 20}
    client = create_app(make_settings(REDIS_URL=valkey_url, **settings)).test_client()
    as_ann = {"Authorization": "Bearer " + "k" * 20}

    reads = [client.get("/api/v1/errors", headers=as_ann).headers for _ in range(4)]
    submission = client.post("/api/v1/analysis", json={}, headers=as_ann).headers

    assert [one["RateLimit-Remaining"] for one in reads] == ["2", "1", "0", "0"]
    assert {one["RateLimit-Policy"] for one in reads} == {'"read";q=3;w=3600'}
    assert {one["RateLimit-Limit"] for one in reads} == {"3"}
    for one in reads:
        left, reset = re.fullmatch(r'"read";r=(\d+);t=(\d+)', one["RateLimit"]).groups()  # type: ignore[union-attr]
        assert (left, reset) == (one["RateLimit-Remaining"], one["RateLimit-Reset"])
        assert 3590 < int(reset) <= 3600
    assert reads[-1]["Retry-After"] == reads[-1]["RateLimit-Reset"]
    assert submission["RateLimit-Policy"] == '"submit";q=5;w=60'
    assert "RateLimit" not in client.get("/health").headers


def test_limits_and_names_of_files_are_shown_to_other_origins(cross_origin: str) -> None:
    answer = httpx.get(f"{cross_origin}/api/v1/jobs", headers={"Origin": ORIGIN})
    stranger = httpx.get(f"{cross_origin}/api/v1/jobs", headers={"Origin": "https://evil.example"})

    shown = set(answer.headers["Access-Control-Expose-Headers"].split(", "))
    assert shown >= {"Content-Disposition", "Retry-After", "ETag", "Location", "RateLimit", "RateLimit-Remaining"}
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Access-Control-Allow-Origin" not in stranger.headers


# --- ETags and compression --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["identity", "br", "gzip"])
@pytest.mark.parametrize("part", ["/results", "/status", "list", "openapi"])
def test_what_has_not_changed_is_not_sent_again(web: Web, job: str, part: str, encoding: str) -> None:
    path = {"list": "/api/v1/jobs", "openapi": "/openapi.json"}.get(part, f"{job}{part}")
    first = web.http.get(path, headers={"Accept-Encoding": encoding})
    if part == "openapi":
        assert first.headers.get("Content-Encoding", "identity") == encoding
        return

    again = web.http.get(path, headers={"Accept-Encoding": encoding, "If-None-Match": first.headers["ETag"]})

    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    fail(web, web.submit("file:other.mp4"))
    changed = web.http.get("/api/v1/jobs", headers={"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200


def test_json_of_a_kilobyte_is_compressed_for_those_who_take_it(web: Web) -> None:
    for number in range(5):
        web.submit(f"file:{number}.mp4")

    def raw(encoding: str) -> tuple[str | None, bytes]:
        with web.http.stream("GET", "/api/v1/jobs", headers={"Accept-Encoding": encoding}) as answer:
            return answer.headers.get("Content-Encoding"), b"".join(answer.iter_raw())

    plain = raw("identity")
    assert plain[0] is None
    assert raw("br")[0] == "br"
    assert raw("gzip")[0] == "gzip"
    assert len(raw("br")[1]) * 3 < len(plain[1]) > 1024
    jobs = [
        [job["job_id"] for job in web.http.get("/api/v1/jobs", headers={"Accept-Encoding": encoding}).json()["jobs"]]
        for encoding in ("identity", "br", "gzip")
    ]
    assert jobs == [jobs[0]] * 3


def test_small_answers_events_and_files_are_sent_as_they_are(web: Web, job: str) -> None:
    both = {"Accept-Encoding": "br, gzip"}

    small = web.http.get("/health", headers=both)
    file = web.http.get(f"{job}/files/audio.m4a", headers=both | {"Range": "bytes=0-9"})
    with web.http.stream("GET", f"{job}/stream", headers=both) as events:
        first = next(events.iter_raw())

    assert not {"Content-Encoding"} & {*small.headers, *file.headers, *events.headers}
    assert (file.status_code, file.content) == (206, FILES["audio.m4a"][:10])
    assert b"event:connected" in first


# --- answers given again ----------------------------------------------------------------------------------------------


def test_a_post_sent_again_under_its_key_is_answered_again_and_done_once(web: Web) -> None:
    job_id = web.submit()
    fail(web, job_id)
    headers = {"Idempotency-Key": "once"}

    first = web.http.post(f"/api/v1/analysis/{job_id}/retry", headers=headers)
    again = web.http.post(f"/api/v1/analysis/{job_id}/retry", headers=headers)
    other = web.http.post(f"/api/v1/analysis/{job_id}/cancel", headers=headers)

    assert [one.status_code for one in (first, again, other)] == [202, 202, 202]
    assert again.json() == first.json()
    assert again.headers["Location"] == first.headers["Location"]
    assert web.store.get(job_id).attempt == 2
    assert other.json()["status"] == "cancelled"


def test_of_many_at_once_one_is_carried_out_and_none_refused_for_good(web: Web) -> None:
    job_id = web.submit()
    fail(web, job_id)

    def retry(_: int) -> httpx.Response:
        path = f"{web.url}/api/v1/analysis/{job_id}/retry"
        return httpx.post(path, headers={"Idempotency-Key": "crowd"}, timeout=30)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(retry, range(20)))

    assert web.store.get(job_id).attempt == 2
    assert {answer.status_code for answer in answers} <= {202, 409}
    refused = [answer for answer in answers if answer.status_code == 409]
    assert {one.json()["code"] for one in refused} <= {"IDEMPOTENT_IN_PROGRESS"}
    assert all(one.headers["Retry-After"] == "1" for one in refused)
    assert retry(0).status_code == 202


def test_a_refusal_is_not_kept(web: Web) -> None:
    job_id = web.submit()
    path, headers = f"/api/v1/analysis/{job_id}/retry", {"Idempotency-Key": "k"}

    too_early = web.http.post(path, headers=headers)
    fail(web, job_id)
    now = web.http.post(path, headers=headers)

    assert [too_early.status_code, now.status_code] == [409, 202]


def test_another_body_or_an_odd_key_is_refused(web: Web) -> None:
    path = f"/api/v1/analysis/{web.submit()}/cancel"
    web.http.post(path, headers={"Idempotency-Key": "k"})

    other_body = web.http.post(path, headers={"Idempotency-Key": "k"}, json={"a": 1})
    odd = web.http.post(path, headers={"Idempotency-Key": "x" * 256})

    assert (other_body.status_code, other_body.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert (odd.status_code, list(odd.json()["errors"])) == (422, ["Idempotency-Key"])


def test_while_the_first_is_carried_out_the_same_is_refused(web: Web) -> None:
    job_id = web.submit()
    web.http.post(f"/api/v1/analysis/{job_id}/cancel", headers={"Idempotency-Key": "k"})
    (name,) = web.store.redis.scan_iter(f"{keys.PREFIX}idem-answer:*")
    web.store.redis.set(str(name), "", ex=60)

    answer = web.http.post(f"/api/v1/analysis/{job_id}/cancel", headers={"Idempotency-Key": "k"})

    assert (answer.status_code, answer.json()["code"]) == (409, "IDEMPOTENT_IN_PROGRESS")
