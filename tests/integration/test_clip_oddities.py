"""Clips of recordings as they come: damaged, cut off, late, with wrong timestamps and every way to code a picture."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.flash_and_beep import make
from tests.integration.cut_clips import clip_of
from tests.recordings import ffmpeg

START_S, END_S = 12.37, 16.41


def recoded(*codec: str) -> Callable[[Path, Path], None]:
    return lambda base, into: ffmpeg("-i", base, "-c:a", "copy", *codec, into)


def cut_off(base: Path, into: Path) -> None:
    whole = into.with_name(f"whole{into.suffix}")
    ffmpeg(
        "-i", base, "-c", "copy", *(("-movflags", "frag_keyframe+empty_moov") if into.suffix == ".mp4" else ()), whole
    )
    into.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.9)])


def wrong_timestamp(by_s: int) -> Callable[[Path, Path], None]:
    """One picture inside the clip, 14.4 s, says that it is from another time."""
    return lambda base, into: ffmpeg(
        "-i", base, "-c", "copy", "-bsf:v", f"setts=pts='if(eq(N,360),PTS+{by_s}/TB,PTS)'", into
    )


ODDITIES: dict[str, tuple[str, Callable[[Path, Path], None]]] = {
    "cut off mkv": ("a.mkv", cut_off),
    "cut off flv": ("a.flv", cut_off),
    "cut off fragmented mp4": ("a.mp4", cut_off),
    "a picture from the future": ("a.ts", wrong_timestamp(1000)),
    "a picture from the past": ("a.mkv", wrong_timestamp(-5)),
    "AV1": ("a.mp4", recoded("-c:v", "libsvtav1", "-preset", "10", "-svtav1-params", "keyint=250")),
    "MPEG-2": ("a.ts", recoded("-c:v", "mpeg2video", "-g", "50")),
    "open groups of pictures": ("a.ts", recoded("-c:v", "libx264", "-g", "250", "-x264-params", "open-gop=1")),
    "no key frames": ("a.ts", recoded("-c:v", "libx264", "-x264-params", "intra-refresh=1:keyint=250")),
    "interlaced": ("a.ts", recoded("-c:v", "libx264", "-flags", "+ildct+ilme", "-x264-params", "tff=1")),
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("base") / "base.mkv", rate="25", key_s=2)


@pytest.mark.parametrize("oddity", ODDITIES)
def test_an_odd_recording_gives_the_clip_that_was_asked_for(base: Path, tmp_path: Path, oddity: str) -> None:
    name, change = ODDITIES[oddity]
    change(base, tmp_path / name)

    clip = clip_of(tmp_path / name, tmp_path / "clip.mp4", track=1, start_s=START_S, end_s=END_S)

    seconds = np.arange(13, 17)
    assert clip.times[0] == 0
    assert clip.second_at(0.2) == 12
    assert clip.flashes() + START_S == pytest.approx(seconds, abs=0.06)
    assert clip.beeps(0) + START_S == pytest.approx(seconds, abs=0.04)
    assert clip.ends_s == pytest.approx((END_S - START_S,) * 2, abs=0.045)


def test_sound_that_is_late_stays_late(base: Path, tmp_path: Path) -> None:
    ffmpeg(
        "-i", base, "-itsoffset", "1.5", "-i", base, "-map", "0:v", "-map", "1:a", "-c", "copy", tmp_path / "a.mkv"
    )  # fmt: skip

    clip = clip_of(tmp_path / "a.mkv", tmp_path / "clip.mp4", track=1, start_s=START_S, end_s=END_S)

    assert clip.flashes() + START_S == pytest.approx([13, 14, 15, 16], abs=0.045)
    assert clip.beeps(0) + START_S == pytest.approx([12.5, 13.5, 14.5, 15.5], abs=0.04)
