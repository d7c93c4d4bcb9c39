"""The bundled sample goes through the real system: HTTP, chain, pools, speech, chat, sound, clips."""

import json
import re
from pathlib import Path
from typing import Any

import av
import jiwer
import pytest

from shared import files
from shared.artifacts.store import sha256_of
from shared.stages import STAGES
from tests.acceptance.conftest import SAMPLES, Api
from tests.acceptance.export_readers import READERS, chapter_begins
from tests.described import Description

TRUTH = json.loads((SAMPLES / "demo_truth.json").read_text())
WORDS = jiwer.Compose(
    [
        jiwer.ToLowerCase(),
        jiwer.RemovePunctuation(),
        jiwer.RemoveMultipleSpaces(),
        jiwer.Strip(),
        jiwer.ReduceToListOfListOfWords(),
    ]
)


@pytest.fixture(scope="module")
def events(api: Api) -> list[dict[str, Any]]:
    """The whole stream of one job on the sample."""
    job = api.submit("file:demo.mp4", chat_url="file:demo_chat.json", metadata={"episode": "42"}, force=True)
    return list(api.events(job["job_id"]))


@pytest.fixture(scope="module")
def job(api: Api, events: list[dict[str, Any]]) -> dict[str, Any]:
    return api.job(events[0]["job_id"])


@pytest.fixture(scope="module")
def description(api: Api) -> Description:
    return Description(api.http)


@pytest.fixture(scope="module")
def results(api: Api, job: dict[str, Any]) -> dict[str, Any]:
    return api.results(job["job_id"])


def test_the_job_completes_with_a_clip_for_each_highlight(job: dict[str, Any], results: dict[str, Any]) -> None:
    assert job["status"] == "completed", job["error"]
    assert job["progress"]["percentage"] == 100
    assert job["results"]["clips"] == len(results["highlights"]) > 0


def test_metadata_comes_back_everywhere(
    job: dict[str, Any], results: dict[str, Any], events: list[dict[str, Any]]
) -> None:
    assert {one["metadata"]["episode"] for one in (job, results, *events)} == {"42"}


def test_the_stream_tells_every_stage_in_order_and_never_goes_back(events: list[dict[str, Any]]) -> None:
    statuses = list(dict.fromkeys(event["status"] for event in events if event["event"] == "progress"))
    percentages = [event["progress"]["percentage"] for event in events if "progress" in event]

    assert events[0]["event"] == "connected"
    assert [event["event"] for event in events[-2:]] == ["completed", "stream_ended"]
    assert statuses[-len(STAGES) :] == [stage.status.value for stage in STAGES]
    assert percentages == sorted(percentages)
    assert percentages[-1] == 100


def test_progress_inside_the_long_stage_comes_from_work_done(events: list[dict[str, Any]]) -> None:
    steps = {event["progress"]["stage_progress"]["transcribe"] for event in events if "progress" in event}

    assert len(steps) >= 3


@pytest.mark.parametrize("moment", TRUTH["moments"], ids=lambda moment: str(moment["name"]))
def test_each_planted_moment_is_among_the_first_five(moment: dict[str, Any], results: dict[str, Any]) -> None:
    starts = [highlight["start_seconds"] for highlight in results["highlights"][:5]]

    assert any(abs(start - moment["start_seconds"]) <= 5 for start in starts), starts


def test_the_transcript_has_under_ten_percent_word_errors(api: Api, results: dict[str, Any], tmp_path: Path) -> None:
    transcript = json.loads(api.download(results["files"]["transcript.json"], tmp_path).read_text())
    spoken = " ".join(line["text"] for line in TRUTH["script"])

    errors = jiwer.wer(spoken, transcript["text"], reference_transform=WORDS, hypothesis_transform=WORDS)

    assert errors < 0.10
    assert results["transcript"]["words"] == len(transcript["words"])


def test_clips_play_and_have_the_length_they_should(api: Api, results: dict[str, Any], tmp_path: Path) -> None:
    for highlight in results["highlights"]:
        clip = api.download(highlight["clip_url"], tmp_path)
        with av.open(str(clip)) as media:
            frames = sum(1 for _ in media.decode(video=0))
            assert {stream.type for stream in media.streams} == {"video", "audio"}
            assert media.duration is not None
            length_s = media.duration / 1_000_000
        assert frames > 0
        assert length_s == pytest.approx(highlight["end_seconds"] - highlight["start_seconds"], abs=0.5)
        assert api.http.get(highlight["thumbnail_url"]).headers["content-type"] == "image/jpeg"


def test_every_reason_of_a_highlight_has_a_number(results: dict[str, Any]) -> None:
    for highlight in results["highlights"]:
        assert highlight["reasons"]
        assert all(re.search(r"\d", reason) for reason in highlight["reasons"]), highlight["reasons"]


def test_every_file_listed_can_be_fetched_and_matches_the_manifest(
    api: Api, results: dict[str, Any], tmp_path: Path
) -> None:
    manifest = json.loads(api.download(results["files"]["manifest.json"], tmp_path).read_text())
    assert set(results["files"]) == {*manifest["files"], "manifest.json"}
    for name, entry in manifest["files"].items():
        path = api.download(results["files"][name], tmp_path)
        assert (path.stat().st_size, sha256_of(path)) == (entry["size"], entry["sha256"]), name
        assert entry["stage"] in {stage.name for stage in STAGES}


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/analysis/{job_id}",
        "/api/v1/analysis/{job_id}/status",
        "/api/v1/analysis/{job_id}/results",
        "/api/v1/analysis/{job_id}/deliveries",
        "/api/v1/jobs",
        "/api/v1/queues",
        "/api/v1/reliability",
        "/api/v1/errors",
    ],
)
def test_what_is_told_of_a_real_job_is_as_described(
    api: Api, job: dict[str, Any], description: Description, path: str
) -> None:
    description.check_answer(path, api.http.get(path.format(job_id=job["job_id"])))


def test_every_event_is_as_described(events: list[dict[str, Any]], description: Description) -> None:
    for event in events:
        description.check("JobEvent", event)


def test_every_file_is_one_of_the_table(results: dict[str, Any], api: Api, tmp_path: Path) -> None:
    manifest = json.loads(api.download(results["files"]["manifest.json"], tmp_path).read_text())["files"]
    ranks = [highlight["rank"] for highlight in results["highlights"]]
    clips = [make(rank) for rank in ranks for make in (files.clip, files.thumbnail)]
    made = {file.name: file for file in (*files.FILES, *files.EXPORTS.values(), *files.MARKED.values(), *clips)}

    # The picture as a whole is there only when it is asked for, chapters only when there are enough.
    optional = {files.VIDEO.name} | ({files.EXPORTS["chapters"].name} - set(manifest))
    assert set(manifest) == set(made) - optional
    for name, entry in manifest.items():
        assert entry["stage"] == made[name].stage, name
        assert api.http.head(results["files"][name]).headers["content-type"] == made[name].media_type, name


def _plain(text: str) -> str:
    """Letters and digits only: formats quote, escape and shorten signs each in their way."""
    return re.sub(r"[^a-z0-9]", "", re.sub(r"&\w+;|\\u....", "", text.lower()))


@pytest.mark.parametrize("form", [form for form in files.EXPORTS if form != "chapters"])
def test_every_export_is_given_out_and_can_be_read(
    api: Api, job: dict[str, Any], results: dict[str, Any], form: str, tmp_path: Path
) -> None:
    answer = api.http.get(f"/api/v1/analysis/{job['job_id']}/export/{form}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == files.EXPORTS[form].media_type
    assert answer.headers["content-disposition"] == f'attachment; filename="{files.EXPORTS[form].download_name}"'
    assert all(_plain(highlight["title"]) in _plain(answer.text) for highlight in results["highlights"])
    path = tmp_path / files.EXPORTS[form].download_name
    path.write_bytes(answer.content)

    spans = READERS[form](path)

    wanted = sorted((highlight["start_seconds"], highlight["end_seconds"]) for highlight in results["highlights"])
    assert len(wanted) > 0
    assert sorted(spans) == [pytest.approx(one, abs=1 / 20 + 1e-9) for one in wanted]


def test_chapters_are_given_out_or_their_lack_is_explained(
    api: Api, job: dict[str, Any], results: dict[str, Any]
) -> None:
    answer = api.http.get(f"/api/v1/analysis/{job['job_id']}/export/chapters")

    if answer.status_code == 404:
        problem = answer.json()
        assert problem["code"] == "FILE_NOT_FOUND"
        assert problem["detail"] in results["warnings"]
        assert files.EXPORTS["chapters"].name not in results["files"]
    else:
        begins = chapter_begins(answer.raise_for_status().text)
        assert begins[0] == 0
        assert len(begins) >= 3
        assert set(begins[1:]) <= {int(highlight["start_seconds"]) for highlight in results["highlights"]}


def test_timelines_count_the_samples_own_20_frames_and_name_its_file(
    api: Api, job: dict[str, Any], tmp_path: Path
) -> None:
    url = f"/api/v1/analysis/{job['job_id']}/export"
    sample = (SAMPLES / "demo.mp4").as_uri()

    assert job["video"]["frame_rate"] == "20/1"
    assert (job["video"]["width"], job["video"]["height"]) == (640, 360)
    assert job["video"]["file_name"] == "demo.mp4"
    assert 'frameDuration="1/20s"' in api.http.get(f"{url}/fcpxml").text
    assert "this one counts 24" in api.http.get(f"{url}/edl").text
    for form in ("edl", "fcpxml", "otio", "premiere"):
        assert sample in api.http.get(f"{url}/{form}").text, form


@pytest.mark.parametrize("export", files.MARKED.values(), ids=files.MARKED)
def test_the_whole_recording_is_there_with_markers(api: Api, job: dict[str, Any], export: files.File) -> None:
    text = api.http.get(f"/api/v1/analysis/{job['job_id']}/files/{export.name}").raise_for_status().text

    assert text.count("#1 ") >= 1


def test_the_frontends_urls_exist_or_are_null(api: Api, results: dict[str, Any]) -> None:
    assert set(results["urls"]) == {
        "video_url",
        "audio_url",
        "waveform_url",
        "transcript_url",
        "transcriptWords_url",
        "chat_url",
        "analysis_url",
    }
    assert results["urls"]["video_url"] is None
    for name, url in results["urls"].items():
        assert url is None or api.http.head(url).status_code == 200, name


def test_a_judged_and_renamed_highlight_shows_in_results_and_exports(
    api: Api, job: dict[str, Any], description: Description
) -> None:
    address = f"/api/v1/analysis/{job['job_id']}"
    found = api.results(job["job_id"])
    first = found["highlights"][0]
    body = {"verdict": "good", "title": "The one to keep", "end_seconds": round(first["start_seconds"] + 9.5, 2)}

    answer = api.http.patch(f"{address}/highlights/1", json=body).raise_for_status()
    changed = answer.json()

    description.check_answer("/api/v1/analysis/{job_id}/highlights/{rank}", answer)
    description.check_answer("/api/v1/analysis/{job_id}/results", api.http.get(f"{address}/results"))
    assert changed == first | body
    assert found["tuned_on_verdicts"] == 0
    assert api.results(job["job_id"]) == found | {"highlights": [changed, *found["highlights"][1:]]}
    for form in files.EXPORTS:
        export = api.http.get(f"{address}/export/{form}").raise_for_status().text
        assert "The one to keep" in export, form
        assert f"#1 {first['title']}" not in export, form
    manifest = api.http.get(f"{address}/files/manifest.json").json()["files"]
    table = api.http.get(f"{address}/files/highlights.csv").content
    assert manifest["highlights.csv"]["size"] == len(table)
    assert b"The one to keep" in table

    undone = api.http.patch(f"{address}/highlights/1", json={"verdict": None, "title": None, "end_seconds": None})
    assert undone.json() == first
    assert api.results(job["job_id"]) == found
