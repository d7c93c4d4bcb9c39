"""Files as programs leave them: trimmed without encoding, with a cover in front, with two programmes in one."""

from pathlib import Path

import av
import numpy as np
import pytest

from shared.progress import silent
from tests.flash_and_beep import Seen, look_at, make
from tests.integration.cut_clips import clip_of
from tests.recordings import AAC, H264, ffmpeg, tone
from workers.media.copy_video import copy_video
from workers.media.decode import Samples, decode, sample_rate
from workers.media.measure import measure
from workers.media.remux import copy_sound, probe

TRIMMED_S = 3.9


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("base") / "base.mp4", rate="25", key_s=2)


@pytest.fixture(params=["mp4", "mov"])
def trimmed(base: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Begins at 3.9 s of `base`, between key frames: the file holds 0.8 s more, which its edit list hides."""
    ffmpeg("-ss", str(TRIMMED_S), "-i", base, "-c", "copy", path := tmp_path / f"trimmed.{request.param}")
    return path


def fractions(moments: np.ndarray) -> np.ndarray:
    """How far moments of `trimmed` are from whole seconds of `base`."""
    there = moments[(moments > 0.2)] + TRIMMED_S
    assert len(there) > 3
    return np.asarray(there - np.round(there))


def test_the_sound_of_a_trimmed_file_begins_where_players_begin(trimmed: Path, tmp_path: Path) -> None:
    sound = copy_sound(trimmed, tmp_path / "audio.m4a", progress=silent)

    assert sound.warnings == ()
    assert sound.duration_seconds == pytest.approx(19 - TRIMMED_S, abs=0.05)
    assert np.abs(fractions(begins_of_sound(tmp_path / "audio.m4a"))).max() < 0.03


def begins_of_sound(audio: Path) -> np.ndarray:
    """When sound begins after quiet, in seconds, as the analysis hears it."""
    rate = sample_rate(audio)
    heard = np.zeros(20 * rate)

    def take(at: int, samples: Samples) -> None:
        heard[at : at + len(samples)] = samples

    decode(audio, rate=rate, duration_s=19 - TRIMMED_S, take=take, progress=silent)
    loud = np.flatnonzero(np.abs(heard) > 0.2)
    return loud[1:][np.diff(loud) > rate // 10] / rate


def test_the_rate_of_a_trimmed_file_is_that_of_what_is_shown(trimmed: Path) -> None:
    measured = measure(trimmed)

    assert (measured.frame_rate, measured.variable_frame_rate) == ("25/1", False)


def test_a_clip_of_a_trimmed_file_is_where_players_show_it(trimmed: Path, tmp_path: Path) -> None:
    clip = clip_of(trimmed, tmp_path / "clip.mp4", track=1, start_s=0.0, end_s=6.0)

    assert clip.times[0] == 0
    assert_together(clip)
    assert (clip.second_at(0.05), clip.second_at(0.5)) == (3, 4)


def test_a_trimmed_file_copied_whole_keeps_picture_and_sound_together(trimmed: Path, tmp_path: Path) -> None:
    copy_video(trimmed, tmp_path / "video.mp4", progress=silent)

    assert_together(look_at(tmp_path / "video.mp4"))


def assert_together(seen: Seen) -> None:
    assert np.abs(fractions(seen.flashes())).max() < 0.045
    assert np.abs(fractions(seen.beeps(0))).max() < 0.045


@pytest.mark.parametrize("kind", ["mkv", "mp4"])
def test_a_cover_in_front_of_the_picture_is_not_cut(base: Path, tmp_path: Path, kind: str) -> None:
    """Matroska's attached pictures are often plain tracks, marked as not the default one."""
    ffmpeg("-f", "lavfi", "-i", "color=red:s=300x300:d=1", "-frames:v", "1", tmp_path / "cover.png")
    ffmpeg(
        "-i", tmp_path / "cover.png", "-i", base, "-map", "0", "-map", "1", "-c", "copy", "-c:v:0", "mjpeg",
        "-disposition:v:0", "0" if kind == "mkv" else "attached_pic", "-disposition:v:1", "default",
        tmp_path / f"a.{kind}",
    )  # fmt: skip

    clip = clip_of(tmp_path / f"a.{kind}", tmp_path / "clip.mp4", track=1, start_s=5.0, end_s=9.0)

    assert (measure(tmp_path / f"a.{kind}").width, width_of(tmp_path / "clip.mp4")) == (64, 64)
    assert [clip.second_at(at) for at in (0.3, 1.3, 2.3, 3.3)] == [5, 6, 7, 8]


def width_of(path: Path) -> int:
    with av.open(str(path)) as container:
        return container.streams.video[0].width


def test_of_two_programmes_sound_and_picture_are_of_the_same(tmp_path: Path) -> None:
    """The second one has more pictures and would be chosen alone."""
    small = ("-f", "lavfi", "-i", "testsrc=s=160x90:r=2")
    large = ("-f", "lavfi", "-i", "testsrc=s=640x360:r=50")
    two = ("-program", "title=a:st=0:st=1", "-program", "title=b:st=2:st=3")
    maps = [word for number in range(4) for word in ("-map", str(number))]
    ffmpeg(*small, *tone(440), *large, *tone(880), *maps, "-t", "4", *H264, *AAC, *two, tmp_path / "a.ts")

    assert (probe(tmp_path / "a.ts").width, probe(tmp_path / "a.ts").sound_tracks) == (160, 2)
