"""Speech that can't be written down, and recordings with several sound tracks, through the whole stack."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Api, running_stack
from tests.flash_and_beep import look_at
from tests.recordings import AAC, H264, PICTURE, SPANISH, SPEECH, ffmpeg, tone

SILENCE = ("-f", "lavfi", "-i", "anullsrc=r=48000:cl=mono")


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    ffmpeg(*PICTURE, "-i", SPANISH, "-t", "40", *H264, "-c:a", "copy", folder / "spanish.mp4")
    ffmpeg(*PICTURE, "-i", SPEECH, "-t", "12", *H264, "-c:a", "copy", folder / "english.mp4")
    tracks = ("-map", "0", "-map", "1", "-map", "2", "-t", "12")
    ffmpeg(
        *PICTURE, *tone(600), *SILENCE, "-i", SPEECH, *tracks, "-map", "3", *H264, *AAC,
        "-disposition:a:0", "0", "-disposition:a:1", "default", "-disposition:a:2", "0", folder / "three.mkv",
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def api(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with (
        running_stack(tmp_path_factory.mktemp("speech"), LOCAL_MEDIA_DIR=str(media)) as stack,
        Api(stack.url) as client,
    ):
        yield client


def run(api: Api, name: str, **options: Any) -> dict[str, Any]:
    return api.wait(api.submit(f"file:{name}", options=options)["job_id"])


def told(job: dict[str, Any], text: str) -> bool:
    return any(text in warning for warning in job["warnings"])


def test_without_a_transcriber_the_job_completes_without_words(api: Api) -> None:
    job = run(api, "english.mp4", transcriber="none")

    results = api.results(job["job_id"])
    assert job["status"] == "completed", job["error"]
    assert told(job, "No words were recognised")
    assert results["transcript"] is None
    assert results["urls"]["transcript_url"] is None
    assert "captions.srt" not in results["files"]


def test_a_language_the_model_does_not_know_costs_the_words_and_not_the_job(api: Api) -> None:
    job = run(api, "spanish.mp4", language="es")

    assert job["status"] == "completed", job["error"]
    assert told(job, "does not know the language es")
    assert api.results(job["job_id"])["transcript"] is None


def test_a_language_that_a_named_transcriber_does_not_know_is_an_error(api: Api) -> None:
    job = run(api, "spanish.mp4", language="es", transcriber="whisper")

    assert job["status"] == "failed"
    assert (job["error"]["code"], job["error"]["stage"]) == ("UNSUPPORTED_LANGUAGE", "download")


def test_speech_in_another_language_gives_no_invented_words(api: Api) -> None:
    job = run(api, "spanish.mp4")

    results = api.results(job["job_id"])
    assert job["status"] == "completed", job["error"]
    assert told(job, "does not sound like English")
    assert results["transcript"]["words"] == 0
    assert all(not highlight["transcript"] for highlight in results["highlights"])


def test_a_silent_default_track_is_passed_over_and_told(api: Api, tmp_path: Path) -> None:
    # Given three tracks: a tone, silence that is the default one, and speech
    job = run(api, "three.mkv", highlights=1)
    # Then the tone was taken, and clips carry it
    assert job["status"] == "completed", job["error"]
    assert told(job, "Track 1 was used. Silent: 2.")
    assert (job["video"]["audio_track"], job["video"]["audio_tracks"]) == (1, 3)
    for highlight in api.results(job["job_id"])["highlights"]:
        assert look_at(api.download(highlight["clip_url"], tmp_path)).loudest() == 0


def test_the_track_that_was_asked_for_is_analysed(api: Api) -> None:
    job = run(api, "three.mkv", audio_track=3)

    results = api.results(job["job_id"])
    assert job["status"] == "completed", job["error"]
    assert job["video"]["audio_track"] == 3
    assert results["transcript"]["words"] > 10


def test_a_track_that_is_not_there_is_told_with_how_many_there_are(api: Api) -> None:
    job = run(api, "three.mkv", audio_track=4)

    assert job["status"] == "failed"
    assert job["error"]["code"] == "INVALID_REQUEST"
    assert "3 sound tracks" in job["error"]["detail"]
    assert job["error"]["errors"] == {"options.audio_track": ["The recording has 3 sound tracks."]}


def test_silent_sound_is_told(api: Api, media: Path) -> None:
    ffmpeg(*PICTURE, *SILENCE, "-t", "5", *H264, *AAC, media / "silent.mp4")

    job = run(api, "silent.mp4")

    assert job["status"] == "completed", job["error"]
    assert told(job, "The sound is silent")
