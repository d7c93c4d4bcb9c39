"""The sound track keeps the recording's timeline, whatever its timestamps do."""

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from shared.errors import UnsupportedFormat, VideoSizeExceeded
from shared.progress import silent
from tests.recordings import AAC, H264, PICTURE, ffmpeg, first_sound_s, loudness, recording, tone
from workers.media.copy_video import copy_video
from workers.media.remux import copy_sound, probe

COPIED = {
    "a.mp4": (*H264, *AAC),
    "a.mkv": (*H264, *AAC),
    "a.ts": (*H264, *AAC),
    "a.flv": (*H264, *AAC),
    "alac.m4a": ("-map", "1", "-c:a", "alac"),
    "a.mp3": ("-map", "1", "-c:a", "libmp3lame"),
    "opus.mkv": (*H264, "-c:a", "libopus"),
    "ac3.ts": (*H264, "-c:a", "ac3"),
    "flac.mkv": (*H264, "-c:a", "flac"),
}
ENCODED = {
    "pcm.mov": (*H264, "-c:a", "pcm_s16le"),
    "pcm.wav": ("-map", "1", "-c:a", "pcm_s24le"),
    "vorbis.mkv": (*H264, "-c:a", "libvorbis"),
    "mp2.ts": (*H264, "-c:a", "mp2"),
}


def codec_of(path: Path) -> str:
    info = probe(path)
    assert info.audio_codec is not None
    return info.audio_codec


@pytest.mark.parametrize("name", COPIED)
def test_sound_that_an_m4a_can_hold_is_copied(tmp_path: Path, name: str) -> None:
    source = recording(tmp_path / name, *COPIED[name])

    sound = copy_sound(source, tmp_path / "audio.m4a", progress=silent)

    assert sound.warnings == ()
    assert codec_of(tmp_path / "audio.m4a") == codec_of(source)
    assert sound.duration_seconds == pytest.approx(6.0, abs=0.05)
    assert len(loudness(tmp_path / "audio.m4a")) == pytest.approx(600, abs=6)


@pytest.mark.parametrize("name", ENCODED)
def test_other_sound_is_encoded_and_said_so(tmp_path: Path, name: str) -> None:
    source = recording(tmp_path / name, *ENCODED[name])

    sound = copy_sound(source, tmp_path / "audio.m4a", progress=silent)

    assert codec_of(tmp_path / "audio.m4a") == "aac"
    assert "re-encoded to AAC" in sound.warnings[0]
    assert sound.duration_seconds == pytest.approx(6.0, abs=0.05)
    assert np.median(loudness(tmp_path / "audio.m4a")) == pytest.approx(np.median(loudness(source)), rel=0.3)


def test_copied_packets_are_the_same_bytes(tmp_path: Path) -> None:
    source = recording(tmp_path / "a.mp4")
    copy_sound(source, tmp_path / "audio.m4a", progress=silent)

    def packets(path: Path) -> list[bytes]:
        with av.open(str(path)) as container:
            return [bytes(packet) for packet in container.demux(container.streams.audio[0]) if packet.size]

    assert packets(tmp_path / "audio.m4a") == packets(source)


@pytest.mark.parametrize("name", ["late.mp4", "late.mkv", "late.ts", "late-opus.mkv", "late-pcm.mov"])
def test_sound_that_begins_after_the_picture_is_led_in_by_silence(tmp_path: Path, name: str) -> None:
    codec = {"late-opus.mkv": ("-c:a", "libopus"), "late-pcm.mov": ("-c:a", "pcm_s16le")}.get(name, AAC)
    ffmpeg(*PICTURE, "-itsoffset", "1.5", *tone(), "-t", "6", *H264, *codec, tmp_path / name)

    sound = copy_sound(tmp_path / name, tmp_path / "audio.m4a", progress=silent)

    assert first_sound_s(tmp_path / "audio.m4a") == pytest.approx(1.5, abs=0.06)
    assert any("filled with silence" in warning for warning in sound.warnings)


def test_a_recording_that_starts_at_another_time_than_zero_starts_at_zero(tmp_path: Path) -> None:
    ffmpeg(*PICTURE, *tone(), "-t", "6", *H264, *AAC, "-output_ts_offset", "5000", tmp_path / "a.ts")

    sound = copy_sound(tmp_path / "a.ts", tmp_path / "audio.m4a", progress=silent)

    assert first_sound_s(tmp_path / "audio.m4a") < 0.06
    assert sound.duration_seconds == pytest.approx(6.0, abs=0.1)


def joined(tmp_path: Path, *offsets_s: float) -> Path:
    """Transport streams of 3 s each, one after another in one file, each with its own clock."""
    whole = b""
    for number, offset in enumerate(offsets_s):
        part = tmp_path / f"part{number}.ts"
        ffmpeg(*PICTURE, *tone(), "-t", "3", *H264, *AAC, "-output_ts_offset", str(offset), part)
        whole += part.read_bytes()
    path = tmp_path / "joined.ts"
    path.write_bytes(whole)
    return path


def test_missing_sound_in_the_middle_becomes_silence_of_the_right_length(tmp_path: Path) -> None:
    # Given 3 s of sound, 7 s of nothing, 3 s of sound
    source = joined(tmp_path, 0, 10)

    sound = copy_sound(source, tmp_path / "audio.m4a", progress=silent)

    levels = loudness(tmp_path / "audio.m4a")
    assert sound.duration_seconds == pytest.approx(13.0, abs=0.1)
    assert levels[330:960].max() < 0.01
    assert levels[1030:1280].min() > 0.02
    assert sound.warnings == ("7.0 s without sound were filled with silence.",)


@pytest.mark.parametrize("offset_s", [90_000, -2.5])
def test_a_clock_that_jumps_far_or_back_does_not_tear_the_timeline(tmp_path: Path, offset_s: float) -> None:
    source = joined(tmp_path, 10, 10 + offset_s)

    sound = copy_sound(source, tmp_path / "audio.m4a", progress=silent)

    assert sound.duration_seconds == pytest.approx(6.0, abs=0.2)
    assert any("clock jumps" in warning for warning in sound.warnings)


def test_a_hole_in_a_codec_without_silent_packets_is_filled_by_encoding(tmp_path: Path) -> None:
    ffmpeg(*tone(), "-t", "6", "-c:a", "libopus", tmp_path / "whole.mkv")
    with (
        av.open(str(tmp_path / "whole.mkv")) as whole,
        av.open(str(tmp_path / "hole.mkv"), "w", format="matroska") as out,
    ):
        stream = out.add_stream_from_template(whole.streams.audio[0])
        for packet in whole.demux(audio=0):
            if packet.size and not 2 <= (packet.pts or 0) * packet.time_base < 4:
                packet.stream = stream
                out.mux(packet)

    sound = copy_sound(tmp_path / "hole.mkv", tmp_path / "audio.m4a", progress=silent)

    levels = loudness(tmp_path / "audio.m4a")
    assert sound.duration_seconds == pytest.approx(6.0, abs=0.1)
    assert levels[210:390].max() < 0.01
    assert "holes" in sound.warnings[0]


def test_timestamps_of_a_coarse_clock_do_not_drift(tmp_path: Path) -> None:
    # Matroska counts in milliseconds: 23.22 ms a packet is written as 23 and 24.
    ffmpeg(*tone(rate=44100), "-t", "120", "-c:a", "aac", "-b:a", "32k", tmp_path / "a.mkv")

    sound = copy_sound(tmp_path / "a.mkv", tmp_path / "audio.m4a", progress=silent)

    assert sound.duration_seconds == pytest.approx(120.0, abs=0.05)
    assert sound.warnings == ()
    with av.open(str(tmp_path / "audio.m4a")) as container:
        times = [packet.pts or 0 for packet in container.demux(audio=0) if packet.size]
    assert set(np.diff(times)) == {1024}


def test_a_file_cut_short_gives_what_is_there_and_says_so(tmp_path: Path) -> None:
    ffmpeg(*PICTURE, *tone(), "-t", "20", *H264, *AAC, "-movflags", "+faststart", tmp_path / "a.mp4")
    whole = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])

    sound = copy_sound(tmp_path / "cut.mp4", tmp_path / "audio.m4a", progress=silent)

    assert 5 < sound.duration_seconds < 15
    assert any("cut short" in warning for warning in sound.warnings)


def test_a_video_without_sound_is_refused_in_clear_words(tmp_path: Path) -> None:
    ffmpeg(*PICTURE, "-t", "2", *H264, tmp_path / "mute.mp4")

    with pytest.raises(UnsupportedFormat, match="no sound"):
        copy_sound(tmp_path / "mute.mp4", tmp_path / "audio.m4a", progress=silent)
    assert not (tmp_path / "audio.m4a").exists()


def test_one_second_and_less_works(tmp_path: Path) -> None:
    for seconds in (1.0, 0.1):
        recording(tmp_path / "short.mp4", seconds=seconds)

        sound = copy_sound(tmp_path / "short.mp4", tmp_path / "audio.m4a", progress=silent)

        assert sound.duration_seconds == pytest.approx(seconds, abs=0.05)


def test_a_recording_longer_than_its_header_says_is_stopped_at_the_limit(tmp_path: Path) -> None:
    recording(tmp_path / "a.ts", seconds=6)

    with pytest.raises(VideoSizeExceeded):
        copy_sound(tmp_path / "a.ts", tmp_path / "audio.m4a", progress=silent, max_seconds=3)
    assert not (tmp_path / "audio.m4a").exists()


def test_progress_rises_to_one_and_can_stop_the_work(tmp_path: Path) -> None:
    recording(tmp_path / "a.mp4")
    told: list[float] = []
    copy_sound(tmp_path / "a.mp4", tmp_path / "audio.m4a", progress=told.append)

    class Stopped(Exception):
        pass

    def stop(_done: float) -> None:
        raise Stopped

    assert told == sorted(told)
    assert told[-1] == 1.0
    with pytest.raises(Stopped):
        copy_sound(tmp_path / "a.mp4", tmp_path / "other.m4a", progress=stop)
    assert not (tmp_path / "other.m4a").exists()


def test_the_same_recording_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, codecs in {"a.mp4": (*H264, *AAC), "b.wav": ("-map", "1")}.items():
        source = recording(tmp_path / name, *codecs)
        copy_sound(source, tmp_path / "one.m4a", progress=silent)
        copy_sound(source, tmp_path / "two.m4a", progress=silent)

        assert (tmp_path / "one.m4a").read_bytes() == (tmp_path / "two.m4a").read_bytes()


@pytest.mark.parametrize("name", ["a.mkv", "a.ts", "a.flv", "vp8.webm"])
def test_the_whole_video_becomes_an_mp4(tmp_path: Path, name: str) -> None:
    codecs = ("-c:v", "libvpx", "-c:a", "libopus") if name == "vp8.webm" else (*H264, *AAC)
    source = recording(tmp_path / name, *codecs, seconds=3)

    copy_video(source, tmp_path / "video.mp4", progress=silent)

    info = probe(tmp_path / "video.mp4")
    assert (info.container, info.video_codec, info.has_sound) == ("mov", "h264", True)
    assert (info.width, info.height) == (160, 90)
    assert info.duration_s == pytest.approx(3.0, abs=0.15)
    with av.open(str(tmp_path / "video.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == pytest.approx(75, abs=2)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.flv"])
def test_reordered_pictures_keep_their_times(tmp_path: Path, name: str) -> None:
    source = recording(tmp_path / name, "-c:v", "libx264", "-bf", "3", *AAC, seconds=3)

    copy_video(source, tmp_path / "video.mp4", progress=silent)

    with av.open(str(tmp_path / "video.mp4")) as container:
        times = [float(frame.time or 0) for frame in container.decode(video=0)]
    assert np.diff(times) == pytest.approx(0.04, abs=0.0015)


def test_picture_and_sound_of_a_jumping_clock_stay_together(tmp_path: Path) -> None:
    source = joined(tmp_path, 10, 90_000)

    copy_video(source, tmp_path / "video.mp4", progress=silent)

    with av.open(str(tmp_path / "video.mp4")) as container:
        ends = [float((stream.duration or 0) * (stream.time_base or Fraction(0))) for stream in container.streams]
    assert ends == pytest.approx([6.0, 6.0], abs=0.2), json.dumps(ends)
