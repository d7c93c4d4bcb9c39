"""Twitch VODs through the real streamlink plugin against the stand-in: sound, picture and parts, in spite of faults."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from shared.errors import InsufficientStorage, KlipError
from shared.progress import silent
from tests.peers.twitch_process import TwitchPeer, running_twitch
from workers.download.twitch import TwitchSource
from workers.media.audio_track import Sound
from workers.media.clips import cut_clip
from workers.media.ffmpeg import ffmpeg_path
from workers.media.measure import measure
from workers.media.remux import probe

SECONDS = 48.0


@pytest.fixture(scope="module")
def twitch() -> Iterator[TwitchPeer]:
    with running_twitch() as peer:
        yield peer


def sound_of(source: TwitchSource, folder: Path) -> Sound:
    return source.fetch_sound(folder / "audio.m4a", work=folder / "work", progress=silent)


def loudness(path: Path) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Peak of each tenth of a second, decoded."""
    with av.open(str(path)) as file:
        stream = file.streams.audio[0]
        samples = np.concatenate([frame.to_ndarray()[0] for frame in file.decode(stream)])
        step = stream.rate // 10
    return np.array([np.abs(samples[at : at + step]).max() for at in range(0, len(samples) - step, step)])


def test_a_vod_is_described_by_what_graphql_says(twitch: TwitchPeer) -> None:
    twitch.fresh(seconds=SECONDS, title="Finals", channel="Chan", game="Tetris", views=7)

    video = twitch.source().describe()

    assert (video.title, video.channel, video.game, video.views) == ("Finals", "Chan", "Tetris", 7)
    assert video.duration_seconds == SECONDS
    assert video.watch_url == "https://www.twitch.tv/videos/42"
    assert video.file_name == "Finals [42].mp4"
    assert twitch.count("segment") == 0


@pytest.mark.parametrize("media", ["ts", "fmp4"])
def test_a_part_of_the_picture_tells_its_rate_and_size(twitch: TwitchPeer, tmp_path: Path, media: str) -> None:
    twitch.fresh(seconds=SECONDS, media=media)

    part = twitch.source().fetch_part(20, 21, work=tmp_path)

    assert part is not None
    measured = measure(part.path)
    assert (measured.frame_rate, measured.variable_frame_rate) == ("30/1", False)
    assert (measured.width, measured.height) == (320, 180)


@pytest.mark.parametrize("media", ["ts", "fmp4", "byterange"])
@pytest.mark.parametrize("absolute", [False, True])
def test_sound_is_copied_whole_from_every_kind_of_playlist(
    twitch: TwitchPeer, tmp_path: Path, media: str, absolute: bool
) -> None:
    twitch.fresh(seconds=SECONDS, media=media, absolute=absolute)

    sound = sound_of(twitch.source(), tmp_path)

    assert sound.warnings == ()
    assert sound.duration_seconds == pytest.approx(SECONDS, abs=0.1)
    assert probe(tmp_path / "audio.m4a").audio_codec == "aac"
    assert set(twitch.stats()["bytes"]) <= {"audio_only", "other", "gql"}


def test_without_audio_only_the_smallest_rendition_gives_the_sound(twitch: TwitchPeer, tmp_path: Path) -> None:
    twitch.fresh(seconds=SECONDS, audio_only=False)

    sound = sound_of(twitch.source(), tmp_path)

    assert sound.duration_seconds == pytest.approx(SECONDS, abs=0.1)
    assert "160p30" in twitch.stats()["bytes"]
    assert not probe(tmp_path / "audio.m4a").has_picture


def test_missing_segments_become_silence_of_the_same_length(twitch: TwitchPeer, tmp_path: Path) -> None:
    gone = [0, 5, 6, 11, 23]
    twitch.fresh(seconds=SECONDS, missing=gone)

    sound = sound_of(twitch.source(), tmp_path)

    assert sound.duration_seconds == pytest.approx(SECONDS, abs=0.1)
    assert any("5 of 24 segments" in warning for warning in sound.warnings)
    peaks = loudness(tmp_path / "audio.m4a")
    for number in range(24):
        middle = peaks[number * 20 + 3 : number * 20 + 18]
        assert (middle.max() < 0.01) == (number in gone), number


def test_muted_segments_are_taken_from_their_siblings(twitch: TwitchPeer, tmp_path: Path) -> None:
    twitch.fresh(seconds=SECONDS, muted=[3, 4])

    sound = sound_of(twitch.source(), tmp_path)

    assert sound.duration_seconds == pytest.approx(SECONDS, abs=0.1)
    assert sound.warnings == ("2 of 24 segments (4 s) were muted by the site.",)


def test_a_clock_that_starts_anew_does_not_shift_what_follows(twitch: TwitchPeer, tmp_path: Path) -> None:
    twitch.fresh(seconds=SECONDS)
    sound_of(twitch.source(), tmp_path)
    straight = loudness(tmp_path / "audio.m4a")
    twitch.fresh(seconds=SECONDS, resets=[8, 15], missing=[14], media="ts")

    sound = sound_of(twitch.source(), tmp_path / "again")

    assert sound.duration_seconds == pytest.approx(SECONDS, abs=0.1)
    jumping = loudness(tmp_path / "again" / "audio.m4a")
    same = [n for n in range(min(len(straight), len(jumping))) if not 270 <= n <= 310]
    assert np.abs(straight[same] - jumping[same]).max() < 0.25


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 502},
        {"status": 429, "headers": {"Retry-After": "0"}},
        {"truncate": 0.4},
        {"told": -1000},
        {"told": 5000},
        {"stall_s": 3},
        {"body": "", "status": 200},
    ],
    ids=["502", "429", "truncated", "told too little", "told too much", "stalled", "empty"],
)
def test_a_fault_that_passes_leaves_no_trace(twitch: TwitchPeer, tmp_path: Path, fault: dict[str, Any]) -> None:
    twitch.fresh(seconds=16)
    sound_of(twitch.source(), tmp_path / "calm")
    twitch.fresh(seconds=16)
    twitch.fault("segment:audio_only/2.ts", times=2, **fault)
    twitch.fault("segment:audio_only/5.ts", times=1, **fault)

    sound = sound_of(twitch.source(read_timeout_s=1.0), tmp_path / "storm")

    assert sound.warnings == ()
    calm, storm = tmp_path / "calm" / "audio.m4a", tmp_path / "storm" / "audio.m4a"
    assert calm.read_bytes() == storm.read_bytes()


def test_a_content_length_that_is_always_too_small_loses_nothing(twitch: TwitchPeer, tmp_path: Path) -> None:
    twitch.fresh(seconds=16)
    sound_of(twitch.source(), tmp_path / "calm")
    twitch.fresh(seconds=16)
    twitch.fault("segment:audio_only/3.ts", times=1, told=-100_000)

    sound_of(twitch.source(), tmp_path / "storm")

    calm, storm = tmp_path / "calm" / "audio.m4a", tmp_path / "storm" / "audio.m4a"
    assert calm.read_bytes() == storm.read_bytes()


def test_one_failed_playlist_request_does_not_lose_the_rendition(twitch: TwitchPeer, tmp_path: Path) -> None:
    twitch.fresh(seconds=16)
    twitch.fault("playlist:audio_only", times=2, status=502)

    sound = sound_of(twitch.source(), tmp_path)

    assert sound.duration_seconds == pytest.approx(16, abs=0.1)
    assert set(twitch.stats()["bytes"]) <= {"audio_only", "other", "gql"}


def test_tokens_that_run_out_on_the_way_are_renewed(twitch: TwitchPeer, tmp_path: Path) -> None:
    twitch.fresh(seconds=SECONDS, token_requests=7)

    sound = sound_of(twitch.source(), tmp_path)

    assert sound.warnings == ()
    assert sound.duration_seconds == pytest.approx(SECONDS, abs=0.1)
    assert 3 <= twitch.count("usher") <= 8


def test_the_whole_video_is_the_best_rendition_with_its_timeline(twitch: TwitchPeer, tmp_path: Path) -> None:
    twitch.fresh(seconds=16, missing=[3])

    twitch.source().fetch_video(tmp_path / "video.mp4", work=tmp_path, progress=silent)

    info = probe(tmp_path / "video.mp4")
    assert info.has_picture
    assert info.has_sound
    assert info.duration_s == pytest.approx(16, abs=0.1)
    assert set(twitch.stats()["bytes"]) <= {"chunked", "other", "gql"}


def test_a_part_fetches_only_the_segments_under_it_and_shares_them(twitch: TwitchPeer, tmp_path: Path) -> None:
    twitch.fresh(seconds=SECONDS)
    source = twitch.source()

    first = source.fetch_part(20.5, 25.0, work=tmp_path)
    second = source.fetch_part(23.0, 29.9, work=tmp_path)

    assert first is not None
    assert second is not None
    assert (first.begins_at_seconds, second.begins_at_seconds) == (20.0, 22.0)
    assert probe(first.path).duration_s == pytest.approx(6.0, abs=0.1)
    assert probe(second.path).duration_s == pytest.approx(8.0, abs=0.1)
    assert twitch.asked("segment:chunked/") == {f"{number}.ts": 1 for number in range(10, 15)}


def test_a_source_in_hevc_is_asked_for_and_cut_from(twitch: TwitchPeer, tmp_path: Path) -> None:
    # Given a VOD whose source is listed only for those who say that they play H.265
    twitch.fresh(seconds=16, media="fmp4", source_codec="h265")
    # When a clip is made of it
    part = twitch.source().fetch_part(5, 9, work=tmp_path)
    assert part is not None
    cut_clip(
        part.path,
        begins_at_s=part.begins_at_seconds,
        sound=part.sound,
        start_s=5,
        end_s=9,
        into=tmp_path / "clip.mp4",
        ffmpeg=ffmpeg_path(),
    )
    # Then it is made of the source
    assert probe(part.path).video_codec == "hevc"
    assert set(twitch.stats()["bytes"]) <= {"chunked", "other", "gql"}
    clip = probe(tmp_path / "clip.mp4")
    assert (clip.video_codec, clip.has_sound) == ("h264", True)
    assert clip.duration_s == pytest.approx(4.0, abs=0.05)


def test_a_vod_of_sound_alone_has_no_parts(twitch: TwitchPeer, tmp_path: Path) -> None:
    twitch.fresh(seconds=16, pictures=False)

    assert twitch.source().fetch_part(1, 2, work=tmp_path) is None


def test_progress_rises_and_follows_the_segments(twitch: TwitchPeer, tmp_path: Path) -> None:
    twitch.fresh(seconds=2 * SECONDS)
    twitch.control(link={"latency_ms": 150})
    told: list[float] = []

    twitch.source().fetch_sound(tmp_path / "audio.m4a", work=tmp_path, progress=told.append)

    assert told == sorted(told)
    assert len({round(value, 2) for value in told}) >= 4
    assert told[-1] <= 1.0


def test_work_stops_when_progress_says_so(twitch: TwitchPeer, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def refuse(_fraction: float) -> None:
        raise Stop

    twitch.fresh(seconds=4000)
    twitch.control(link={"latency_ms": 50})

    with pytest.raises(Stop):
        twitch.source().fetch_sound(tmp_path / "audio.m4a", work=tmp_path, progress=refuse)

    assert not (tmp_path / "audio.m4a").exists()


def test_a_disk_without_room_is_noticed_before_anything_is_fetched(twitch: TwitchPeer, tmp_path: Path) -> None:
    twitch.fresh(seconds=SECONDS)

    with pytest.raises(InsufficientStorage):
        sound_of(twitch.source(min_free_bytes=1 << 60), tmp_path)

    assert twitch.count("segment") == 0


@pytest.mark.parametrize(
    ("vod", "code"),
    [
        ({"access": "deleted"}, "VIDEO_NOT_FOUND"),
        ({"access": "private"}, "VIDEO_UNAVAILABLE"),
        ({"access": "subscribers"}, "VIDEO_UNAVAILABLE"),
        ({"access": "unlisted"}, "VIDEO_UNAVAILABLE"),
        ({"status": "RECORDING"}, "VIDEO_NOT_READY"),
        ({"endlist": False}, "VIDEO_NOT_READY"),
        ({"length_seconds": 0}, "VIDEO_NOT_READY"),
        ({"length_seconds": 12 * 3600 + 1}, "VIDEO_SIZE_EXCEEDED"),
        ({"seconds": 13 * 3600, "segment_seconds": 10, "length_seconds": 60}, "VIDEO_SIZE_EXCEEDED"),
    ],
    ids=["deleted", "private", "subscribers", "gone", "recording", "live", "unprocessed", "long", "secretly long"],
)
def test_what_cannot_be_analysed_is_refused_with_its_reason(twitch: TwitchPeer, vod: dict[str, Any], code: str) -> None:
    twitch.fresh(**vod)

    with pytest.raises(KlipError) as caught:
        twitch.source().describe()

    assert caught.value.code == code
    assert twitch.count("segment") == 0


@pytest.mark.parametrize(
    ("match", "fault", "code"),
    [
        ("gql:metadata", {"status": 503}, "EXTERNAL_SERVICE_ERROR"),
        ("gql:metadata", {"status": 503, "headers": {"Retry-After": "120"}}, "EXTERNAL_SERVICE_ERROR"),
        ("gql:metadata", {"body": "<html>", "status": 200}, "EXTERNAL_SERVICE_ERROR"),
        ("gql:metadata", {"body": "[" * 5000, "status": 200}, "EXTERNAL_SERVICE_ERROR"),
        ("gql:metadata", {"merge": None}, "EXTERNAL_SERVICE_ERROR"),
        ("gql:metadata", {"merge": {"video": None}}, "VIDEO_NOT_FOUND"),
        ("gql:metadata", {"status": 429, "headers": {"Retry-After": "77"}}, "RATE_LIMIT_EXCEEDED"),
        ("gql:token", {"status": 500}, "EXTERNAL_SERVICE_ERROR"),
        ("usher:", {"status": 500}, "EXTERNAL_SERVICE_ERROR"),
        ("usher:", {"status": 429, "headers": {"Retry-After": "77"}}, "RATE_LIMIT_EXCEEDED"),
        ("usher:", {"body": "not a playlist", "status": 200}, "EXTERNAL_SERVICE_ERROR"),
        ("usher:", {"redirect": "http://169.254.169.254/latest"}, "UNSUPPORTED_SOURCE"),
        ("playlist:", {"status": 502}, "EXTERNAL_SERVICE_ERROR"),
        ("playlist:", {"status": 403}, "VIDEO_UNAVAILABLE"),
    ],
)
def test_failures_of_twitch_are_told_apart(twitch: TwitchPeer, match: str, fault: dict[str, Any], code: str) -> None:
    twitch.fresh(seconds=16)
    twitch.fault(match, **fault)

    with pytest.raises(KlipError) as caught:
        twitch.source().describe()

    assert caught.value.code == code
    asked = fault.get("headers", {}).get("Retry-After")
    assert caught.value.asked_s == (float(asked) if asked else None)


def test_a_vod_that_is_mostly_gone_is_not_analysed(twitch: TwitchPeer, tmp_path: Path) -> None:
    twitch.fresh(seconds=SECONDS, missing=list(range(13)))

    with pytest.raises(KlipError) as caught:
        sound_of(twitch.source(), tmp_path)

    assert caught.value.code == "VIDEO_UNAVAILABLE"


def test_segments_that_never_come_fail_the_download_and_keep_what_was_fetched(
    twitch: TwitchPeer, tmp_path: Path
) -> None:
    twitch.fresh(seconds=SECONDS)
    twitch.fault("segment:audio_only/12.ts", times=5, status=500)

    with pytest.raises(KlipError) as caught:
        sound_of(twitch.source(), tmp_path)
    sound = sound_of(twitch.source(), tmp_path)

    assert caught.value.code == "EXTERNAL_SERVICE_ERROR"
    assert sound.duration_seconds == pytest.approx(SECONDS, abs=0.1)
    again = [name for name, count in twitch.asked("segment:audio_only/").items() if count > 1 and name != "12.ts"]
    assert len(again) <= 7


def test_refused_segments_without_a_sibling_are_missing_and_cost_few_new_tokens(
    twitch: TwitchPeer, tmp_path: Path
) -> None:
    gone = [2, 3, 5, 7, 8, 10, 11, 13, 17, 19]
    twitch.fresh(seconds=SECONDS, missing=gone, missing_status=403)

    sound = sound_of(twitch.source(), tmp_path)

    assert sound.duration_seconds == pytest.approx(SECONDS, abs=0.1)
    assert sound.warnings[0].startswith("10 of 24 segments (20 s) are gone")
    assert twitch.count("usher") < 30
