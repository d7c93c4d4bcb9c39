"""Verdicts and edits of highlights over HTTP, on a real server and a real Valkey."""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import redis

from shared import jobs
from shared.errors import JobNotFound
from shared.feedback import Features
from shared.files import media_type_of
from shared.highlight import as_dicts
from shared.jobs import utc_now
from shared.records import Video
from shared.redis import keys
from shared.redis.feedback import MAX_VERDICTS, VERDICTS_TTL_S, FeedbackStore, Lesson
from shared.redis.store import JobStore
from shared.stages import STAGES
from tests.highlights_made import highlight
from tests.integration.conftest import Web, running_web, used
from workers.analysis.features import FEATURES, write_features
from workers.exports import Media, write_exports

CHANNEL = "Some_Channel"
VIDEO = Video(
    id="1",
    source="twitch",
    title="A day",
    channel=CHANNEL,
    duration_seconds=600.0,
    watch_url="https://www.twitch.tv/videos/1",
)
FOUND = [
    highlight(
        rank,
        100.0 * rank,
        100.0 * rank + 20,
        f"Moment {rank}",
        peak_seconds=100.0 * rank + 5,
        watch_url=f"https://www.twitch.tv/videos/1?t={100 * rank}s",
    )
    for rank in (1, 2, 3)
]
HIGHLIGHTS: list[dict[str, Any]] = json.loads(json.dumps(as_dicts(FOUND)))


def keep(web: Web, job_id: str, folder: Path) -> None:
    """Store what the highlights stage stores."""
    folder.mkdir()
    for name in ("results.json", "highlights.json"):
        (folder / name).write_text(json.dumps({"highlights": HIGHLIGHTS, "warnings": []}))
    features = {rank: np.array([rank / 10, 0.2, 0.3, 0.4]) for rank in (1, 2)}  # the third has none
    names = ("results.json", "highlights.json", write_features(features, folder))
    entries = {}
    exported = write_exports(FOUND, video=VIDEO, media=Media(name="a.mp4", url="a.mp4"), into=folder)
    for name in (*names, *exported.files):
        data = (folder / name).read_bytes()
        entries[name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "stage": "x", "attempt": 1}
        web.files.put(job_id, name, folder / name)
    web.files.write(job_id, "manifest.json", json.dumps({"files": entries, "stages": {}}).encode(), generation=None)


def completed(web: Web, folder: Path, **video: Any) -> str:
    """The id of a completed job."""
    job_id = web.submit()
    keep(web, job_id, folder)
    for stage in STAGES:
        job = web.store.change(job_id, partial(jobs.claim, stage=stage, attempt=1, holder="t", now=utc_now()))
        finish = partial(jobs.finish, token=job.token, seconds=1, now=utc_now(), video=replace(VIDEO, **video))
        web.store.change(job_id, finish)
    return job_id


@pytest.fixture
def job_id(web: Web, tmp_path: Path) -> str:
    return completed(web, tmp_path / "job")


def patch(web: Web, job_id: str, rank: int | str = 1, **body: Any) -> httpx.Response:
    return web.http.patch(f"/api/v1/analysis/{job_id}/highlights/{rank}", json=body)


def shown(web: Web, job_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = web.http.get(f"/api/v1/analysis/{job_id}/results").json()["highlights"]
    return found


def remembered(web: Web, channel: str = CHANNEL) -> list[bool]:
    return [verdict.good for verdict in FeedbackStore(web.store.redis).verdicts("", channel)]


# --- kept -------------------------------------------------------------------------------------------------------------


def test_an_edit_shows_in_the_results_every_file_and_every_export(web: Web, job_id: str) -> None:
    answer = patch(web, job_id, 2, verdict="good", title="  The   <goat> ", start_seconds=190.5, end_seconds=230)

    expected = HIGHLIGHTS[1] | {
        "verdict": "good",
        "title": "The <goat>",
        "start_seconds": 190.5,
        "end_seconds": 230.0,
        "watch_url": "https://www.twitch.tv/videos/1?t=190s",
    }
    get = web.http.get
    job = f"/api/v1/analysis/{job_id}"
    assert (answer.status_code, answer.json()) == (200, expected)
    assert shown(web, job_id) == [HIGHLIGHTS[0], expected, HIGHLIGHTS[2]]
    assert get(f"{job}/files/results.json").json() == get(f"{job}/results").json()
    assert get(f"{job}/files/highlights.json").json()["highlights"][1] == expected
    for address in ("files/highlights.csv", "export/csv", "files/exports/highlights.csv"):
        assert "2,190.5,230.0,205.0,0.5,funny,The <goat>," in get(f"{job}/{address}").text
    for form, clock in (("srt", "00:03:10,500"), ("vtt", "00:03:10.500"), ("edl", "00:03:10:15")):
        assert clock in get(f"{job}/export/{form}").text, form
    for form in ("edl", "otio"):
        assert "The <goat>" in get(f"{job}/export/{form}").text, form
    for form in ("srt", "chapters"):
        assert "The ‹goat›" in get(f"{job}/export/{form}").text, form
    for address in ("export/fcpxml", "export/premiere", "export/mlt", "files/exports/recording.fcpxml"):
        assert "The &lt;goat&gt;" in get(f"{job}/{address}").text, address
    assert all("Moment 1" in get(f"{job}/export/{form}").text for form in ("csv", "srt", "edl", "otio", "fcpxml"))


def test_edits_may_leave_too_few_chapters(web: Web, job_id: str) -> None:
    chapters = f"/api/v1/analysis/{job_id}/export/chapters"
    before = web.http.get(chapters)
    for rank, start_s in ((2, 104.0), (3, 108.0)):
        patch(web, job_id, rank, start_seconds=start_s, end_seconds=start_s + 9)
    without = web.http.get(chapters)
    listed = web.http.get(f"/api/v1/analysis/{job_id}/files/manifest.json").json()["files"]
    patch(web, job_id, 3, start_seconds=None, end_seconds=None)

    assert before.text == "0:00 Start\n1:40 Moment 1\n3:20 Moment 2\n5:00 Moment 3\n"
    assert (without.status_code, without.json()["code"]) == (404, "FILE_NOT_FOUND")
    assert "at least three" in without.json()["detail"]
    assert "exports/highlights.chapters.txt" not in listed
    assert web.http.get(chapters).text == "0:00 Start\n1:40 Moment 1\n5:00 Moment 3\n"


def test_what_is_left_out_of_an_edit_stays_and_null_takes_it_back(web: Web, job_id: str) -> None:
    before = web.http.get(f"/api/v1/analysis/{job_id}/export/otio").content
    patch(web, job_id, title="Mine")
    patch(web, job_id, verdict="bad")
    both = shown(web, job_id)[0]
    patch(web, job_id, title=None)
    back = shown(web, job_id)[0]
    patch(web, job_id, verdict=None)

    assert (both["title"], both["verdict"]) == ("Mine", "bad")
    assert (back["title"], back["verdict"]) == ("Moment 1", "bad")
    assert shown(web, job_id) == HIGHLIGHTS
    assert web.http.get(f"/api/v1/analysis/{job_id}/export/otio").content == before
    assert not web.store.redis.exists(keys.edits(job_id))


def test_the_manifest_and_the_etag_tell_what_is_served_now(web: Web, job_id: str) -> None:
    job = f"/api/v1/analysis/{job_id}/files"
    old = web.http.get(f"{job}/highlights.json").headers["ETag"]
    patch(web, job_id, title="Mine")

    manifest = web.http.get(f"{job}/manifest.json").json()["files"]
    answers = {name: web.http.get(f"{job}/{name}") for name in manifest}
    again = web.http.get(f"{job}/highlights.json", headers={"If-None-Match": old})
    same = web.http.get(f"{job}/highlights.json", headers={"If-None-Match": again.headers["ETag"]})
    part = web.http.get(f"{job}/highlights.json", headers={"Range": "bytes=2-5"})

    for name, answer in answers.items():
        data = answer.content
        assert manifest[name]["sha256"] == hashlib.sha256(data).hexdigest(), name
        assert manifest[name]["size"] == len(data), name
        assert answer.headers["Content-Type"] == media_type_of(name), name
        assert answer.headers["Content-Disposition"] == f"inline; filename={name.rpartition('/')[2]}"
    assert (again.status_code, same.status_code) == (200, 304)
    assert (part.status_code, part.content) == (206, answers["highlights.json"].content[2:6])


def test_a_moment_outside_moved_borders_leaves_exports_that_editors_read(web: Web, job_id: str) -> None:
    patch(web, job_id, start_seconds=110)  # the moment is at 105

    timeline = web.http.get(f"/api/v1/analysis/{job_id}/export/otio").json()
    clip = timeline["tracks"]["children"][0]["children"][0]
    moment = clip["markers"][0]["marked_range"]["start_time"]
    span = clip["source_range"]

    assert moment["value"] / moment["rate"] == span["start_time"]["value"] / span["start_time"]["rate"] == 110
    assert shown(web, job_id)[0]["peak_seconds"] == 105


def test_changes_at_the_same_time_all_arrive(web: Web, job_id: str) -> None:
    changes: list[tuple[int, dict[str, Any]]] = [
        (rank, {name: value})
        for rank in (1, 2, 3)
        for name, value in (
            ("verdict", "good"),
            ("title", f"T{rank}"),
            ("start_seconds", 100.0 * rank + 1),
            ("end_seconds", 100.0 * rank + 30),
        )
    ]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda change: patch(web, job_id, change[0], **change[1]).status_code, changes))

    assert answers == [200] * len(changes)
    for one in shown(web, job_id):
        rank = one["rank"]
        assert (one["verdict"], one["title"]) == ("good", f"T{rank}")
        assert (one["start_seconds"], one["end_seconds"]) == (100 * rank + 1, 100 * rank + 30)


def test_borders_moved_at_the_same_time_never_cross(web: Web, job_id: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        for _ in range(10):
            sent = [{"start_seconds": 115.0}, {"end_seconds": 110.0}]
            codes = sorted(pool.map(lambda body: patch(web, job_id, **body).status_code, sent))

            assert codes == [200, 422]
            assert shown(web, job_id)[0]["start_seconds"] < shown(web, job_id)[0]["end_seconds"]
            patch(web, job_id, start_seconds=None, end_seconds=None)


# --- refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "verdict"),
        ({"verdict": "great"}, "verdict"),
        ({"verdict": True}, "verdict"),
        ({"verdict": "good", "score": 1}, "score"),
        ({"title": ""}, "title"),
        ({"title": " \n "}, "title"),
        ({"title": 5}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"title": "a\x00b"}, "title"),
        ({"start_seconds": "5"}, "start_seconds"),
        ({"start_seconds": True}, "start_seconds"),
        ({"start_seconds": -1}, "start_seconds"),
        ({"start_seconds": 120}, "start_seconds"),
        ({"end_seconds": 100}, "end_seconds"),
        ({"end_seconds": 600.5}, "end_seconds"),
        ({"start_seconds": 700, "end_seconds": 650}, "start_seconds"),
        ({"start_seconds": 50, "end_seconds": 40}, "end_seconds"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_kept(web: Web, job_id: str, body: dict[str, Any], field: str) -> None:
    answer = patch(web, job_id, **body)

    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_REQUEST")
    assert field in answer.json()["errors"]
    assert shown(web, job_id) == HIGHLIGHTS


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"start_seconds": NaN}', 400),
        (b'{"start_seconds": 1e999}', 422),
        (b'{"title": "\\ud800"}', 422),
        (b"[]", 400),
        (b"", 400),
        (b'{"verdict": "good", "verdict": "bad"}', 400),
    ],
)
def test_a_strange_body_is_refused(web: Web, job_id: str, body: bytes, status: int) -> None:
    answer = web.http.patch(
        f"/api/v1/analysis/{job_id}/highlights/1", content=body, headers={"Content-Type": "application/json"}
    )

    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("rank", [0, 4, 10**30, -1, "x"])
def test_a_rank_that_is_not_there_is_not_found(web: Web, job_id: str, rank: int | str) -> None:
    assert patch(web, job_id, rank, verdict="good").status_code == 404


def test_a_job_that_is_unknown_or_has_not_completed_can_not_be_judged(web: Web) -> None:
    running, cancelled = web.submit(), web.submit()
    web.http.delete(f"/api/v1/analysis/{cancelled}")

    codes = [patch(web, one, verdict="good").json()["code"] for one in ("unknown", running, cancelled)]

    assert codes == ["JOB_NOT_FOUND", "RESULTS_NOT_READY", "JOB_CONFLICT"]


@pytest.fixture
def ann(tmp_path_factory: pytest.TempPathFactory, valkey_url: str) -> Iterator[Web]:
    data_dir = tmp_path_factory.mktemp("keyed")
    keys = "ann:key-of-ann-is-long,bob:key-of-bob-is-long"
    with (
        running_web(data_dir, valkey_url, LOCAL_MEDIA_DIR=str(data_dir), API_KEYS=keys) as url,
        used(url, valkey_url, data_dir, key="key-of-ann-is-long") as found,
    ):
        yield found


def test_another_owners_job_is_not_found_and_verdicts_are_each_owners_own(ann: Web, tmp_path: Path) -> None:
    job_id = completed(ann, tmp_path / "job")

    foreign = ann.http.patch(
        f"/api/v1/analysis/{job_id}/highlights/1",
        json={"verdict": "bad"},
        headers={"Authorization": "Bearer key-of-bob-is-long"},
    )
    own = patch(ann, job_id, verdict="good")

    feedback = FeedbackStore(ann.store.redis)
    assert (foreign.status_code, foreign.json()["code"], own.status_code) == (404, "JOB_NOT_FOUND", 200)
    assert [verdict.good for verdict in feedback.verdicts("ann", CHANNEL)] == [True]
    assert feedback.verdicts("bob", CHANNEL) == feedback.verdicts("", CHANNEL) == []


# --- the channel's memory ---------------------------------------------------------------------------------------------


def test_a_verdict_is_remembered_once_with_the_features_of_its_highlight(web: Web, job_id: str) -> None:
    for verdict in ("good", "bad", "bad"):
        patch(web, job_id, 2, verdict=verdict)
    patch(web, job_id, 1, verdict="good")

    verdicts = FeedbackStore(web.store.redis).verdicts("", CHANNEL.lower())
    assert {(one.good, one.features) for one in verdicts} == {
        (False, (0.2, 0.2, 0.3, 0.4)),
        (True, (0.1, 0.2, 0.3, 0.4)),
    }
    assert {one.names for one in verdicts} == {FEATURES}
    assert VERDICTS_TTL_S - 60 < web.store.redis.ttl(keys.verdicts("", CHANNEL)) <= VERDICTS_TTL_S


def test_a_verdict_taken_back_is_forgotten_and_a_title_is_no_verdict(web: Web, job_id: str) -> None:
    patch(web, job_id, 1, verdict="good")
    patch(web, job_id, 1, title="Mine")
    kept = remembered(web)
    patch(web, job_id, 1, verdict=None)
    patch(web, job_id, 2, title="Mine")

    assert (kept, remembered(web)) == ([True], [])


def test_without_features_or_channel_a_verdict_is_kept_with_the_job_alone(
    web: Web, job_id: str, tmp_path: Path
) -> None:
    local = completed(web, tmp_path / "local", channel=None)

    answers = [patch(web, job_id, 3, verdict="good"), patch(web, local, 1, verdict="good")]

    assert [answer.json()["verdict"] for answer in answers] == ["good", "good"]
    assert remembered(web) == []


def test_a_deleted_job_takes_its_edits_along_and_leaves_its_verdicts(web: Web, job_id: str) -> None:
    patch(web, job_id, verdict="good", title="Mine")

    web.store.delete(web.store.get(job_id))

    assert not web.store.redis.exists(keys.edits(job_id))
    assert remembered(web) == [True]
    assert patch(web, job_id, verdict="bad").status_code == 404


def test_only_the_newest_verdicts_are_kept(store: JobStore) -> None:
    feedback, lesson = FeedbackStore(store.redis), Lesson("", CHANNEL, Features(("a",), (1.0,)))
    store.redis.set("klip:job:j", "{}")

    def judge(rank: int, verdict: str) -> None:
        feedback.change("j", rank, {"verdict": verdict}, check=lambda _: None, lesson=lesson)

    for rank in range(5):
        judge(rank, "bad")
    for rank in range(5, MAX_VERDICTS + 5):
        judge(rank, "good")
    judge(MAX_VERDICTS + 4, "good")  # again: nobody has to go for it

    assert [one.good for one in feedback.verdicts("", CHANNEL)] == [True] * MAX_VERDICTS


def test_nothing_is_kept_for_a_job_that_is_gone(store: JobStore) -> None:
    with pytest.raises(JobNotFound):
        FeedbackStore(store.redis).change("j", 1, {"verdict": "good"}, check=lambda _: None, lesson=None)

    assert not store.redis.exists(keys.edits("j"))


def test_an_edit_that_meets_another_sees_its_outcome(store: JobStore) -> None:
    # Given somebody who writes between our look and our write, once
    feedback, meanwhile = FeedbackStore(store.redis), redis.Redis.from_pool(store.redis.connection_pool)
    store.redis.set("klip:job:j", "{}")
    seen: list[str | None] = []

    def check(edit: Any) -> None:
        if not seen:
            other = FeedbackStore(meanwhile)
            other.change("j", 1, {"title": "theirs"}, check=lambda _: None, lesson=None)
        seen.append(edit.title)

    edit = feedback.change("j", 1, {"verdict": "good"}, check=check, lesson=None)

    assert seen == [None, "theirs"]
    assert (edit.title, edit.verdict) == ("theirs", "good")
