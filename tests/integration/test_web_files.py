"""Results, files and exports over HTTP."""

import hashlib
from pathlib import Path

import pytest

from shared.files import EXPORTS, File
from tests.integration.conftest import Web
from tests.integration.ended_jobs import FILES, VIDEO, complete, keep


@pytest.fixture
def job(web: Web, tmp_path: Path) -> str:
    """The address of a completed job."""
    job_id = web.submit()
    keep(web, job_id, tmp_path)
    complete(web, job_id)
    return f"/api/v1/analysis/{job_id}"


def test_results_come_with_completion_only(web: Web, tmp_path: Path) -> None:
    job_id = web.submit()
    keep(web, job_id, tmp_path)
    early = web.http.get(f"/api/v1/analysis/{job_id}/results")
    export = web.http.get(f"/api/v1/analysis/{job_id}/export/csv")

    complete(web, job_id)
    done = web.http.get(f"/api/v1/analysis/{job_id}/results")

    assert (early.status_code, early.json()["code"], early.headers["Retry-After"]) == (409, "RESULTS_NOT_READY", "5")
    assert export.status_code == 409
    assert done.content == FILES["results.json"]
    assert done.headers["Content-Type"] == "application/json"


def test_a_cancelled_job_has_no_results_and_need_not_be_asked_again(web: Web) -> None:
    job_id = web.submit()
    web.http.delete(f"/api/v1/analysis/{job_id}")

    answer = web.http.get(f"/api/v1/analysis/{job_id}/results")

    assert (answer.status_code, answer.json()["retryable"]) == (409, False)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("audio.m4a", "audio/mp4"),
        ("clips/01.mp4", "video/mp4"),
        ("clips/01.jpg", "image/jpeg"),
        ("chat.jsonl", "application/x-ndjson"),
        ("timeline.svg", "image/svg+xml; charset=utf-8"),
        ("exports/highlights.csv", "text/csv; charset=utf-8"),
    ],
)
def test_a_file_is_served_as_what_it_is(web: Web, job: str, name: str, kind: str) -> None:
    answer = web.http.get(f"{job}/files/{name}")

    assert (answer.status_code, answer.content) == (200, FILES[name])
    assert answer.headers["Content-Type"] == kind
    assert answer.headers["Content-Disposition"] == f"inline; filename={name.rpartition('/')[2]}"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("asked", "first", "last"), [("bytes=0-0", 0, 0), ("bytes=100-199", 100, 199), ("bytes=-5", 10235, 10239)]
)
def test_a_range_of_bytes_is_served(web: Web, job: str, asked: str, first: int, last: int) -> None:
    answer = web.http.get(f"{job}/files/clips/01.mp4", headers={"Range": asked})

    assert answer.status_code == 206
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(VIDEO)}"
    assert answer.content == VIDEO[first : last + 1]


def test_a_range_beyond_the_end_is_a_problem(web: Web, job: str) -> None:
    answer = web.http.get(f"{job}/files/clips/01.mp4", headers={"Range": "bytes=20000-"})

    assert (answer.status_code, answer.json()["code"]) == (416, "RANGE_NOT_SATISFIABLE")
    assert answer.headers["Content-Range"] == f"bytes */{len(VIDEO)}"


def test_a_file_that_has_not_changed_is_not_sent_again(web: Web, job: str) -> None:
    etag = web.http.get(f"{job}/files/audio.m4a").headers["ETag"]

    again = web.http.get(f"{job}/files/audio.m4a", headers={"If-None-Match": etag})
    old_part = web.http.get(f"{job}/files/audio.m4a", headers={"Range": "bytes=0-9", "If-Range": '"other"'})

    assert etag == f'"{hashlib.sha256(VIDEO).hexdigest()}"'
    assert again.status_code == 304
    assert (old_part.status_code, len(old_part.content)) == (200, len(VIDEO))


@pytest.mark.parametrize(
    "name", ["nope.mp4", "unlisted.txt", "..%2f..%2fetc%2fpasswd", "clips", ".new-x", "a%00b", "x" * 500]
)
def test_only_listed_files_are_served(web: Web, job: str, name: str) -> None:
    answer = web.http.get(f"{job}/files/{name}")

    assert (answer.status_code, answer.json()["code"]) == (404, "FILE_NOT_FOUND")


def test_the_manifest_lists_files_and_nothing_internal(web: Web, job: str) -> None:
    manifest = web.http.get(f"{job}/files/manifest.json").json()

    assert set(manifest) == {"job_id", "files"}
    assert set(manifest["files"]) == set(FILES)
    assert set(manifest["files"]["audio.m4a"]) == {"size", "sha256", "stage", "attempt"}


@pytest.mark.parametrize(("form", "export"), EXPORTS.items())
def test_an_export_is_a_download(web: Web, job: str, form: str, export: File) -> None:
    answer = web.http.get(f"{job}/export/{form}")

    assert (answer.status_code, answer.content) == (200, form.encode())
    assert answer.headers["Content-Type"] == export.media_type
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{export.download_name}"'


def test_chapters_that_there_are_not_say_why(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(FILES, EXPORTS["chapters"].name)
    job_id = web.submit()
    keep(web, job_id, tmp_path)
    complete(web, job_id)

    answer = web.http.get(f"/api/v1/analysis/{job_id}/export/chapters")

    assert (answer.status_code, answer.json()["code"]) == (404, "FILE_NOT_FOUND")
    assert "at least three" in answer.json()["detail"]


@pytest.mark.parametrize("form", ["txt", "CSV", "xml", "kdenlive", "../csv"])
def test_there_is_no_other_format(web: Web, job: str, form: str) -> None:
    assert web.http.get(f"{job}/export/{form}").status_code == 404
