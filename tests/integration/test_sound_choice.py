"""Of several sound tracks the one that is analysed is the one that is cut."""

from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest

from shared.errors import InvalidRequest, UnsupportedFormat
from shared.progress import silent
from tests.flash_and_beep import HERTZ, look_at, make
from tests.recordings import AAC, H264, PICTURE, ffmpeg, tone
from workers.download.local import LocalSource
from workers.media.clips import cut_clip
from workers.media.sound_choice import choose_sound, silence_told

SILENCE = ("-f", "lavfi", "-i", "anullsrc=r=48000:cl=mono")
HUM = ("-f", "lavfi", "-i", "anoisesrc=a=0.0003:r=48000:seed=1")  # of a microphone that is switched off


def recording(path: Path, *sounds: tuple[str, ...], default: int | None = None, seconds: float = 6) -> Path:
    """A picture with sound tracks, of which one or none is marked as the default."""
    maps = [word for index in range(len(sounds) + 1) for word in ("-map", str(index))]
    marks = [
        word
        for index in range(len(sounds))
        for word in (f"-disposition:a:{index}", "default" if index + 1 == default else "0")
    ]
    inputs = [word for sound in sounds for word in sound]
    ffmpeg(*PICTURE, *inputs, *maps, "-t", str(seconds), *H264, *AAC, *marks, path)
    return path


def source(path: Path, track: int | None = None) -> LocalSource:
    return LocalSource(path.name, root=path.parent, max_hours=1, audio_track=track)


@pytest.mark.parametrize(
    ("sounds", "default", "chosen", "told"),
    [
        ((SILENCE, tone()), 2, 2, "Track 2 (its default) was used. Silent: 1."),
        ((tone(), tone()), 2, 2, "Track 2 (its default) was used. Choose"),
        ((SILENCE, tone()), None, 2, "Track 2 was used. Silent: 1."),
        ((SILENCE, HUM, tone()), 1, 3, "Track 3 was used. Silent: 1, 2."),
        ((SILENCE, SILENCE), None, 1, "Track 1 was used. Silent: 1, 2."),
    ],
    ids=["default second", "default of two", "first silent", "default silent", "all silent"],
)
def test_the_default_track_else_the_first_with_sound(
    tmp_path: Path, sounds: tuple[tuple[str, ...], ...], default: int | None, chosen: int, told: str
) -> None:
    choice = choose_sound(recording(tmp_path / "a.mkv", *sounds, default=default), asked=None)

    assert (choice.track, choice.tracks) == (chosen, len(sounds))
    assert told in choice.warnings[0]


@pytest.mark.parametrize("kind", ["mp4", "mov", "ts"])
def test_a_silent_first_track_is_passed_over_in_every_container(tmp_path: Path, kind: str) -> None:
    choice = choose_sound(recording(tmp_path / f"a.{kind}", SILENCE, tone()), asked=None)

    assert choice.track == 2
    assert "Silent: 1." in choice.warnings[0]


def test_sound_that_comes_late_is_found(tmp_path: Path) -> None:
    late = ("-f", "lavfi", "-i", "sine=440:r=48000,volume=0:enable='lt(t,100)'")
    path = recording(tmp_path / "a.mkv", SILENCE, late, seconds=120)

    assert choose_sound(path, asked=None).track == 2


def test_one_track_is_used_without_a_word(tmp_path: Path) -> None:
    assert choose_sound(recording(tmp_path / "a.mkv", SILENCE), asked=None) == (1, 1, ())


@pytest.mark.parametrize(("tracks", "said"), [(1, "one sound track"), (2, "2 sound tracks")], ids=["of one", "of two"])
def test_a_track_that_is_not_there_is_refused_with_how_many_there_are(tmp_path: Path, tracks: int, said: str) -> None:
    path = recording(tmp_path / "a.mkv", *[tone()] * tracks, seconds=1)

    with pytest.raises(InvalidRequest, match=said) as refused:
        source(path, 3).describe()

    assert list(refused.value.errors or {}) == ["options.audio_track"]


def test_a_recording_without_sound_is_refused(tmp_path: Path) -> None:
    ffmpeg(*PICTURE, "-t", "1", *H264, tmp_path / "a.mkv")

    with pytest.raises(UnsupportedFormat, match="no sound"):
        choose_sound(tmp_path / "a.mkv", asked=None)


@pytest.mark.parametrize("track", [1, 2, 3])
def test_what_is_asked_for_is_analysed_and_cut(tmp_path: Path, track: int) -> None:
    path = make(tmp_path / "a.mkv", rate="25", key_s=2, sounds=3, seconds=5)
    local = source(path, track)

    sound = local.fetch_sound(tmp_path / "audio.m4a", work=tmp_path, progress=silent)
    part = local.fetch_part(1, 4, work=tmp_path)
    assert part is not None
    cut_clip(
        part.path, begins_at_s=part.begins_at_seconds, sound=part.sound, start_s=1, end_s=4,
        into=tmp_path / "clip.mp4", ffmpeg=str(imageio_ffmpeg.get_ffmpeg_exe()),
    )  # fmt: skip

    assert (sound.track, sound.tracks) == (track, 3)
    assert f"Track {track} was used" in sound.warnings[0]
    assert pitch_of(tmp_path / "audio.m4a") == HERTZ[track - 1]
    assert look_at(tmp_path / "clip.mp4").loudest() == track - 1


def test_the_whole_video_keeps_all_tracks_and_begins_with_the_main_one(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mkv", rate="25", key_s=2, sounds=3, seconds=3)

    source(path, 2).fetch_video(tmp_path / "video.mp4", work=tmp_path, progress=silent)

    assert [pitch_of(tmp_path / "video.mp4", track) for track in range(3)] == [HERTZ[1], HERTZ[0], HERTZ[2]]


def test_a_track_of_a_whole_video_that_no_mp4_can_hold_is_encoded(tmp_path: Path) -> None:
    ffmpeg(
        *PICTURE, *tone(600), *tone(1100), "-map", "0", "-map", "1", "-map", "2", "-t", "3", *H264,
        "-c:a:0", "pcm_s16le", "-c:a:1", "aac", tmp_path / "a.mkv",
    )  # fmt: skip

    source(tmp_path / "a.mkv", 2).fetch_video(tmp_path / "video.mp4", work=tmp_path, progress=silent)

    with av.open(str(tmp_path / "video.mp4")) as container:
        assert [stream.codec_context.name for stream in container.streams.audio] == ["aac", "aac"]
    assert [pitch_of(tmp_path / "video.mp4", track) for track in range(2)] == [1100, 600]


@pytest.mark.parametrize(("sound", "warns"), [(SILENCE, True), (HUM, True), (tone(), False)])
def test_silent_sound_is_told(tmp_path: Path, sound: tuple[str, ...], warns: bool) -> None:
    ffmpeg(*sound, "-t", "5", *AAC, tmp_path / "audio.m4a")

    assert bool(silence_told(tmp_path / "audio.m4a")) == warns


def pitch_of(path: Path, track: int = 0) -> int:
    """Which of HERTZ is loudest."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[track]
        samples = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(stream)])
        rate = stream.codec_context.sample_rate
    power = np.abs(np.fft.rfft(samples))
    return max(HERTZ, key=lambda hertz: float(power[round(hertz * len(samples) / rate) - 2 :][:5].max()))
