"""A Twitch VOD through the whole system; the stand-in speaks for Twitch."""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import av
import pytest

from tests.acceptance.conftest import SAMPLES, Api, running_stack
from tests.conftest import wait_until
from tests.peers.twitch_process import TwitchPeer, running_twitch

VOD = "2434635255"
SECONDS = 190  # as long as the sample's chat


@pytest.fixture(scope="module")
def peer() -> Iterator[TwitchPeer]:
    with running_twitch() as running:
        running.fresh()
        vods = [
            {"id": VOD, "seconds": SECONDS, "chat": str(SAMPLES / "demo_chat.json"), "missing": [70, 71]},
            {"id": "77", "access": "subscribers"},
            {"id": "78", "access": "deleted"},
            {"id": "79", "seconds": 60, "chat_off": True},
            {"id": "80", "length_seconds": 13 * 3600},
            {"id": "83", "seconds": 30},
        ]
        running.control(vods=vods)
        yield running


@pytest.fixture(scope="module")
def api(peer: TwitchPeer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("twitch")
    with running_stack(folder, TWITCH_HOST_MAP=peer.setting()) as stack, Api(stack.url) as client:
        yield client


@pytest.fixture(scope="module")
def job(api: Api) -> dict[str, Any]:
    return api.wait(api.submit(f"https://www.twitch.tv/videos/{VOD}?t=1h2m")["job_id"], seconds=180)


@pytest.fixture(scope="module")
def asked(peer: TwitchPeer, job: dict[str, Any]) -> dict[str, int]:
    """How often Twitch was asked for what, for that job."""
    keys: dict[str, int] = peer.stats()["keys"]
    return keys


def sent(peer: TwitchPeer, rendition: str) -> int:
    return int(peer.stats()["bytes"].get(rendition, 0))


def test_a_vod_link_becomes_highlights_with_clips(api: Api, job: dict[str, Any], tmp_path: Path) -> None:
    assert job["status"] == "completed", job["error"]
    assert job["video_id"] == VOD
    assert job["video"]["title"] == "Speedrun marathon, day 3"
    assert job["video"]["channel"] == "standin_tv"
    assert job["video"]["duration_seconds"] == pytest.approx(SECONDS, abs=0.5)
    results = api.results(job["job_id"])
    assert results["chat"]["messages"] == 659
    assert len(results["highlights"]) > 0
    for highlight in results["highlights"]:
        assert highlight["watch_url"].startswith(f"https://www.twitch.tv/videos/{VOD}?t=")
        with av.open(str(api.download(highlight["clip_url"], tmp_path))) as clip:
            assert {stream.type for stream in clip.streams} == {"video", "audio"}


def test_what_was_fetched_and_heard_is_counted(api: Api, peer: TwitchPeer, job: dict[str, Any]) -> None:
    def metric(name: str, **labels: str) -> float:
        wanted = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
        found = re.search(rf"^{re.escape(f'{name}{{{wanted}}}')} (\S+)$", api.http.get("/metrics").text, re.MULTILINE)
        assert found, (name, labels)
        return float(found[1])

    assert metric("klip_jobs_finished_total", status="completed", code="") >= 1
    # Headers and playlists come on top of the sound
    assert (
        sent(peer, "audio_only")
        < metric("klip_fetched_bytes_total", stage="download")
        < 2 * sum(peer.stats()["bytes"].values())
    )
    assert metric("klip_fetched_bytes_total", stage="chat") > 10_000
    assert metric("klip_transcribed_seconds_total", provider="whisper") >= SECONDS - 1
    assert metric("klip_stage_seconds_count", stage="highlights") >= 1


def test_exports_name_the_vods_file_and_how_to_fetch_it(api: Api, job: dict[str, Any]) -> None:
    name = f"Speedrun marathon, day 3 [{VOD}].mp4"
    edl = api.http.get(f"/api/v1/analysis/{job['job_id']}/export/edl").raise_for_status().text

    assert job["video"]["file_name"] == name
    assert job["video"]["frame_rate"] == "30/1"
    assert f"* FROM CLIP NAME:  {name}" in edl
    assert f"yt-dlp -o '{name}' https://www.twitch.tv/videos/{VOD}" in edl


def test_only_the_pictures_under_the_clips_were_fetched(peer: TwitchPeer, job: dict[str, Any]) -> None:
    asked = peer.asked("segment:chunked/")
    under_clips = sum(asked.values())

    assert 0 < under_clips < SECONDS / 2
    assert sum(peer.asked("segment:audio_only/").values()) >= SECONDS / 2
    assert max(asked.values()) == 1, "a segment was fetched twice"


def test_missing_segments_are_told_and_the_sound_keeps_its_length(
    api: Api, job: dict[str, Any], tmp_path: Path
) -> None:
    results = api.results(job["job_id"])

    with av.open(str(api.download(results["urls"]["audio_url"], tmp_path))) as sound:
        assert sound.duration is not None
        assert sound.duration / 1_000_000 == pytest.approx(SECONDS, abs=0.1)
    assert any("silen" in warning or "missing" in warning for warning in results["warnings"]), results["warnings"]


def test_all_clips_come_from_one_source(asked: dict[str, int], api: Api, job: dict[str, Any]) -> None:
    clips = api.job(job["job_id"])["results"]["clips"]

    assert clips >= 2
    # The download asks when it looks the VOD up and when it begins to fetch; the clips ask once together.
    assert asked["gql:token"] == 3
    assert asked[f"usher:{VOD}"] == 3
    assert asked["playlist:chunked"] == 4  # each time by streamlink, once to cut from


@pytest.mark.parametrize(
    ("vod", "code"),
    [("77", "VIDEO_UNAVAILABLE"), ("78", "VIDEO_NOT_FOUND"), ("80", "VIDEO_SIZE_EXCEEDED"), ("81", "VIDEO_NOT_FOUND")],
)
def test_what_cannot_be_analysed_is_told_before_anything_big_is_fetched(
    api: Api, peer: TwitchPeer, job: dict[str, Any], vod: str, code: str
) -> None:
    before = sum(peer.asked("segment:").values())

    failed = api.wait(api.submit(vod)["job_id"], seconds=40)

    assert failed["error"]["code"] == code, failed["error"]
    assert sum(peer.asked("segment:").values()) == before


def test_a_wait_that_twitch_asks_for_is_kept_and_shown(api: Api, peer: TwitchPeer, job: dict[str, Any]) -> None:
    peer.fault("gql:metadata", times=1, status=503, headers={"Retry-After": "120"})

    job_id = api.submit("83")["job_id"]
    wait_until(lambda: api.job(job_id)["retries"], seconds=60)
    retry = api.job(job_id)["retries"][0]
    api.http.delete(f"/api/v1/analysis/{job_id}")

    waited = datetime.fromisoformat(retry["until"]) - datetime.fromisoformat(retry["at"])
    assert (retry["stage"], retry["code"]) == ("download", "EXTERNAL_SERVICE_ERROR")
    assert waited.total_seconds() >= 120


def test_a_vod_without_chat_goes_on_and_says_so(api: Api) -> None:
    job = api.wait(api.submit("https://m.twitch.tv/videos/79")["job_id"], seconds=240)

    assert job["status"] == "completed", job["error"]
    assert [kept["stage"] for kept in job["retries"]] == ["chat"] * 4, "it may have been chance that none came"
    assert any("CHAT_UNAVAILABLE" in warning for warning in job["warnings"]), job["warnings"]


@pytest.mark.parametrize(("options", "rate", "segments"), [({"clips": False}, "30/1", 1), ({"video": "none"}, None, 0)])
def test_without_clips_the_picture_is_measured_unless_none_is_wanted(
    api: Api, peer: TwitchPeer, job: dict[str, Any], options: dict[str, Any], rate: str | None, segments: int
) -> None:
    before = sum(peer.asked("segment:chunked/").values())

    other = api.wait(api.submit(VOD, options=options)["job_id"], seconds=180)

    assert other["status"] == "completed", other["error"]
    assert other["video"]["frame_rate"] == rate
    assert api.results(other["job_id"])["video"] == other["video"]
    assert sum(peer.asked("segment:chunked/").values()) - before == segments
