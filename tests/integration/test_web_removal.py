"""Removing jobs for good over HTTP."""

from pathlib import Path

import pytest

from shared.redis import keys
from tests.integration.conftest import Web
from tests.integration.ended_jobs import complete, fail, keep

PARTS = ("", "/status", "/stream", "/results", "/files/audio.m4a", "/files/manifest.json", "/export/csv", "/deliveries")


@pytest.fixture
def job_id(web: Web, tmp_path: Path) -> str:
    """A completed job with files."""
    made = web.submit()
    keep(web, made, tmp_path)
    complete(web, made)
    return made


def test_a_finished_job_is_removed_with_its_files(web: Web, job_id: str) -> None:
    answer = web.http.delete(f"/api/v1/analysis/{job_id}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert web.files.names(job_id) == []
    found = [web.http.get(f"/api/v1/analysis/{job_id}{part}") for part in PARTS]
    assert {(one.status_code, one.json()["code"]) for one in found} == {(404, "JOB_NOT_FOUND")}
    assert web.http.delete(f"/api/v1/analysis/{job_id}").status_code == 404
    assert web.http.get("/api/v1/jobs").json()["jobs"] == []
    assert web.http.get("/api/v1/jobs", params={"status": "completed"}).json()["jobs"] == []
    left = [key for key in web.store.redis.scan_iter("klip:*") if job_id in str(key)]
    assert left == [keys.mirror_states(job_id)]
    assert web.store.redis.zscore(keys.MIRROR_DUE, job_id) is not None


def test_failed_and_cancelled_jobs_are_removed_too(web: Web) -> None:
    failed, cancelled = web.submit("file:a.mp4"), web.submit("file:b.mp4")
    fail(web, failed)
    web.http.post(f"/api/v1/analysis/{cancelled}/cancel")

    answers = [web.http.delete(f"/api/v1/analysis/{one}").status_code for one in (failed, cancelled)]

    assert answers == [204, 204]
    assert web.http.get("/api/v1/jobs").json()["jobs"] == []


def test_an_unfinished_job_is_cancelled_by_both_names(web: Web) -> None:
    first, second = web.submit("file:a.mp4"), web.submit("file:b.mp4")

    by_alias = web.http.delete(f"/api/v1/analysis/{first}")
    by_name = web.http.post(f"/api/v1/analysis/{second}/cancel")
    again = web.http.post(f"/api/v1/analysis/{second}/cancel")

    assert [answer.status_code for answer in (by_alias, by_name)] == [202, 202]
    assert [answer.json()["status"] for answer in (by_alias, by_name)] == ["cancelled", "cancelled"]
    assert (again.status_code, again.json()["code"]) == (409, "JOB_CONFLICT")


def test_what_a_worker_still_holds_is_forgotten_at_once_and_its_files_go_later(web: Web, tmp_path: Path) -> None:
    job_id = web.submit()
    keep(web, job_id, tmp_path)
    web.http.post(f"/api/v1/analysis/{job_id}/cancel")
    web.store.redis.set(keys.lease(job_id), "1", ex=10)
    web.store.redis.delete("delivery")

    answer = web.http.delete(f"/api/v1/analysis/{job_id}")

    assert answer.status_code == 204
    assert web.http.get(f"/api/v1/analysis/{job_id}").status_code == 404
    (message,) = web.store.redis.lrange("delivery", 0, -1)
    assert "tasks.remove_files" in str(message)
    assert web.files.names(job_id) != []


def test_the_key_of_a_removed_job_may_be_used_again(web: Web, job_id: str) -> None:
    request = {"json": {"url": "1"}, "headers": {"Idempotency-Key": "one"}}
    first = web.http.post("/api/v1/analysis", **request)  # type: ignore[arg-type]
    fail(web, first.json()["job_id"])
    web.http.delete(first.headers["Location"])

    again = web.http.post("/api/v1/analysis", **request)  # type: ignore[arg-type]

    assert again.status_code == 202
    assert again.json()["job_id"] not in {first.json()["job_id"], job_id}
