"""Jobs over HTTP, on a real server and a real Valkey."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from shared.jobs import utc_now
from tests.described import Description
from tests.integration.conftest import Web
from tests.integration.ended_jobs import CLAIM_DOWNLOAD, fail

MANY = httpx.Limits(max_connections=200)


def post(web: Web, body: dict[str, Any], **headers: str) -> httpx.Response:
    return web.http.post("/api/v1/analysis", json=body, headers=headers)


# --- submitting -------------------------------------------------------------------------------------------------------


def test_a_submission_is_accepted_at_once_and_sent_to_the_first_queue(web: Web) -> None:
    answer = post(web, {"url": "file:demo.mp4", "options": {"highlights": 5}})

    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == job["links"]["self"] == f"/api/v1/analysis/{job['job_id']}"
    assert (job["status"], job["attempt"], job["progress"]["total_stages"]) == ("queued", 1, 5)
    assert web.http.get(answer.headers["Location"]).json() == job
    assert web.store.redis.llen("download") == 1
    assert web.store.get(job["job_id"]).options.highlights == 5


def test_the_same_recording_at_work_is_not_started_twice(web: Web) -> None:
    first = post(web, {"url": "file:demo.mp4"})

    again = post(web, {"url": "file:demo.mp4"})
    other = post(web, {"url": "file:demo.mp4", "options": {"highlights": 3}})
    forced = web.http.post("/api/v1/analysis", json={"url": "file:demo.mp4"}, params={"force": "true"})

    assert (again.status_code, again.json()["job_id"]) == (200, first.json()["job_id"])
    assert again.headers["Location"] == first.headers["Location"]
    assert other.status_code == forced.status_code == 202
    assert len({answer.json()["job_id"] for answer in (first, other, forced)}) == 3


def test_a_finished_recording_may_be_analysed_again(web: Web) -> None:
    first = post(web, {"url": "file:demo.mp4"}).json()["job_id"]
    fail(web, first)

    assert post(web, {"url": "file:demo.mp4"}).status_code == 202


def test_a_key_and_body_sent_again_give_the_same_job(web: Web) -> None:
    body = {"url": "file:demo.mp4"}
    first = post(web, body, **{"Idempotency-Key": "k1"})
    fail(web, first.json()["job_id"])

    again = post(web, body, **{"Idempotency-Key": "k1"})
    another_body = post(web, {"url": "file:other.mp4"}, **{"Idempotency-Key": "k1"})
    another_key = post(web, body, **{"Idempotency-Key": "k2"})

    assert (again.status_code, again.json()["job_id"]) == (200, first.json()["job_id"])
    assert (another_body.status_code, another_body.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert another_key.status_code == 202


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_an_odd_idempotency_key_is_refused(web: Web, key: str) -> None:
    answer = post(web, {"url": "file:demo.mp4"}, **{"Idempotency-Key": key})

    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == ["Idempotency-Key"]


def test_fifty_requests_at_once_with_one_key_make_one_job(web: Web) -> None:
    def submit(_: int) -> httpx.Response:
        return httpx.post(
            f"{web.url}/api/v1/analysis", json={"url": "1"}, headers={"Idempotency-Key": "one"}, timeout=30
        )

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(submit, range(50)))

    assert sorted(answer.status_code for answer in answers) == [200] * 49 + [202]
    assert len({answer.json()["job_id"] for answer in answers}) == 1
    assert web.store.redis.llen("download") == 1


def test_a_body_over_the_limit_is_refused_however_it_is_sent(web: Web) -> None:
    def pieces() -> Any:
        for _ in range(17):
            yield b" " * 4096

    whole = web.http.post("/api/v1/analysis", content=b" " * 70_000, headers={"Content-Type": "application/json"})
    chunked = web.http.post("/api/v1/analysis", content=pieces(), headers={"Content-Type": "application/json"})

    assert [answer.status_code for answer in (whole, chunked)] == [413, 413]
    assert chunked.json()["code"] == "REQUEST_TOO_LARGE"


def test_a_crowd_waits_and_is_answered(web: Web) -> None:
    job_id = web.submit()

    # More at once than there are connections to Redis, each taking several turns at them
    with ThreadPoolExecutor(200) as pool, httpx.Client(base_url=web.url, timeout=60, limits=MANY) as http:
        answers = list(pool.map(lambda _: http.get(f"/api/v1/analysis/{job_id}").status_code, range(400)))

    assert set(answers) == {200}


def test_a_job_shows_what_was_submitted(web: Web) -> None:
    body: dict[str, Any] = {
        "url": "file:demo.mp4",
        "chat_url": "file:chat.txt",
        "metadata": {"episode": "42", "Ort": "Köln"},
        "options": {"highlights": 3, "join": ["file:b.mp4"], "clips": "vertical"},
    }

    job = post(web, body).json()

    assert {name: job[name] for name in ("url", "chat_url", "metadata")} == {
        name: body[name] for name in ("url", "chat_url", "metadata")
    }
    assert job["options"].items() >= body["options"].items()
    assert job["callback_url"] is None
    again = post(web, {**body, "options": job["options"]})
    assert (again.status_code, again.json()["job_id"]) == (200, job["job_id"])
    Description(web.http).check("Job", job)


# --- looking ----------------------------------------------------------------------------------------------------------


def test_the_status_has_an_etag_that_changes_with_the_job(web: Web) -> None:
    job_id = web.submit()
    path = f"/api/v1/analysis/{job_id}/status"
    first = web.http.get(path)

    unchanged = web.http.get(path, headers={"If-None-Match": first.headers["ETag"]})
    web.store.change(job_id, lambda job: CLAIM_DOWNLOAD(job, now=utc_now()))
    changed = web.http.get(path, headers={"If-None-Match": first.headers["ETag"]})

    assert set(first.json()) == {"status", "progress", "error"}
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert (changed.status_code, changed.json()["status"]) == (200, "downloading")


@pytest.mark.parametrize("job_id", ["0" * 32, "x" * 100, "a.b", "ä", "%00", "*"])
@pytest.mark.parametrize("part", ["", "/status", "/stream", "/results", "/files/audio.m4a", "/export/csv"])
def test_an_unknown_job_is_a_problem_everywhere(web: Web, job_id: str, part: str) -> None:
    answer = web.http.get(f"/api/v1/analysis/{job_id}{part}")

    assert (answer.status_code, answer.json()["code"]) == (404, "JOB_NOT_FOUND")
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_jobs_are_listed_newest_first_a_page_at_a_time(web: Web) -> None:
    made = [web.submit(f"file:{number}.mp4") for number in range(7)]

    pages: list[list[str]] = []
    cursor = None
    while not pages or cursor:
        page = web.http.get("/api/v1/jobs", params={"limit": 3} | ({"cursor": cursor} if cursor else {})).json()
        pages.append([job["job_id"] for job in page["jobs"]])
        cursor = page["next_cursor"]

    assert [len(page) for page in pages] == [3, 3, 1]
    assert sorted(job_id for page in pages for job_id in page) == sorted(made)


def test_a_list_can_be_narrowed(web: Web) -> None:
    failed, waiting = web.submit("file:a.mp4"), web.submit("file:b.mp4")
    fail(web, failed)

    def listed(**params: str | list[str]) -> list[str]:
        return [job["job_id"] for job in web.http.get("/api/v1/jobs", params=params).json()["jobs"]]

    assert listed(status="failed") == [failed]
    assert listed(video_id="file:b.mp4") == [waiting]
    assert listed(video_id="file:b.mp4", status="failed") == []
    assert listed(status="failed,queued", sort="created_at") == [failed, waiting]
    assert listed(status=["failed", "queued"]) == [waiting, failed]
    assert listed(source="local", q="A.MP") == [failed]
    marked = web.submit("file:c.mp4", metadata={"team": "clips", "episode": "4:2"})
    assert listed(metadata=["team:clips", "episode:4:2"]) == [marked]
    assert listed(metadata="team:clips", channel="nobody") == []
    moment = web.http.get(f"/api/v1/analysis/{waiting}").json()["created_at"]
    assert listed(created_after=moment, q="b.mp4") == [waiting]
    assert listed(created_before=moment, q="b.mp4") == []
    page = web.http.get("/api/v1/jobs", params={"status": "queued", "limit": 1})
    assert page.json()["total"] == 2
    Description(web.http).check_answer("/api/v1/jobs", page)


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"status": "failed,slow"}, "status"),
        ({"source": "youtube"}, "source"),
        ({"metadata": "team"}, "metadata"),
        ({"metadata": ":x"}, "metadata"),
        ({"metadata": ["a:b"] * 21}, "metadata"),
        ({"created_after": "yesterday"}, "created_after"),
        ({"sort": "name"}, "sort"),
        ({"q": ""}, "q"),
        ({"limit": 101}, "limit"),
    ],
)
def test_a_wrong_filter_is_named(web: Web, params: dict[str, Any], field: str) -> None:
    answer = web.http.get("/api/v1/jobs", params=params)

    assert answer.status_code == 422
    assert [name.partition(".")[0] for name in answer.json()["errors"]] == [field]


@pytest.mark.parametrize("cursor", ["x", "1", "-", "²-a", "9" * 90 + "-x" * 10, "0-"])
def test_a_cursor_that_is_none_of_ours_is_refused_or_harmless(web: Web, cursor: str) -> None:
    web.submit()

    answer = web.http.get("/api/v1/jobs", params={"cursor": cursor})

    assert answer.status_code in {200, 422}
    assert answer.status_code == 200 or list(answer.json()["errors"]) == ["cursor"]


# --- changing ---------------------------------------------------------------------------------------------------------


def test_a_cancelled_job_stays_cancelled_and_its_files_are_asked_to_go(web: Web) -> None:
    job_id = web.submit()

    answer = web.http.post(f"/api/v1/analysis/{job_id}/cancel")
    again = web.http.post(f"/api/v1/analysis/{job_id}/cancel")

    assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
    assert answer.json()["error"]["code"] == "CANCELLED"
    assert web.store.redis.llen("delivery") == 1
    assert (again.status_code, again.json()["code"]) == (409, "JOB_CONFLICT")


def test_a_failed_job_is_tried_again_as_a_new_attempt(web: Web) -> None:
    job_id = web.submit()
    too_early = web.http.post(f"/api/v1/analysis/{job_id}/retry")
    fail(web, job_id)
    web.store.redis.delete("download")

    answer = web.http.post(f"/api/v1/analysis/{job_id}/retry")

    assert (too_early.status_code, too_early.json()["code"]) == (409, "JOB_CONFLICT")
    assert (answer.status_code, answer.json()["status"], answer.json()["attempt"]) == (202, "queued", 2)
    assert answer.json()["error"] is None
    assert web.store.redis.llen("download") == 1


def test_a_priority_is_low_or_normal(web: Web) -> None:
    low = post(web, {"url": "file:demo.mp4", "options": {"priority": "low"}})
    wrong = post(web, {"url": "file:demo.mp4", "options": {"priority": "high"}})

    assert web.store.get(low.json()["job_id"]).options.priority == "low"
    assert (wrong.status_code, list(wrong.json()["errors"])) == (422, ["options.priority"])


def test_a_job_for_which_there_is_no_room_yet_waits_before_the_queue(web: Web) -> None:
    ids = [web.submit(f"file:{number}.mp4") for number in range(10)]

    assert web.store.redis.llen("download") == 2
    figures = web.http.get("/api/v1/queues").json()["queues"]["download"]
    assert (figures["waiting"], figures["running"]) == (10, 0)

    for job_id in ids[5:]:
        web.http.delete(f"/api/v1/analysis/{job_id}")

    assert web.http.get("/api/v1/queues").json()["queues"]["download"]["waiting"] == 5


def test_a_waiting_job_says_what_it_waits_for_and_its_place(web: Web) -> None:
    ids = [web.submit(f"file:{number}.mp4") for number in range(6)]
    path = f"/api/v1/analysis/{ids[-1]}"

    waits = [web.http.get(f"/api/v1/analysis/{job_id}").json()["progress"]["waiting"] for job_id in ids]
    status = web.http.get(f"{path}/status")
    for job_id in ids[2:5]:
        web.http.post(f"/api/v1/analysis/{job_id}/cancel")
    moved = web.http.get(f"{path}/status", headers={"If-None-Match": status.headers["ETag"]})

    assert [(one["reason"], one["position"]) for one in waits] == [
        *[("worker", None)] * 2,
        *[("turn", place) for place in (1, 2, 3, 4)],
    ]
    assert status.json()["progress"]["waiting"] == waits[-1]
    assert (moved.status_code, moved.json()["progress"]["waiting"]["position"]) == (200, 1)
    listed = {job["job_id"]: job["progress"]["waiting"] for job in web.http.get("/api/v1/jobs").json()["jobs"]}
    assert listed[ids[-1]]["text"] == "Waiting, next in turn"
    Description(web.http).check("Job", web.http.get(path).json())


def test_a_failed_job_shows_its_error_with_stage_and_attempt(web: Web) -> None:
    job_id = web.submit()
    fail(web, job_id)

    error = web.http.get(f"/api/v1/analysis/{job_id}").json()["error"]

    assert (error["code"], error["stage"], error["attempt"]) == ("UNSUPPORTED_FORMAT", "download", 1)
    assert error["suggested_action"]
