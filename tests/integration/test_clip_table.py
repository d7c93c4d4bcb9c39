"""Clips begin and end where they should, for every container, distance of key frames and frame rate there is."""

from itertools import product
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from tests.flash_and_beep import MUXERS, RATES, make
from tests.integration.cut_clips import END_S, START_S, clip_of
from tests.recordings import AAC, H264, PICTURE, ffmpeg, tone

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
SECONDS = np.arange(14, 18)  # that begin in it, each with a flash and a beep
FRAME_S = {"23.976": 1001 / 24000, "25": 1 / 25, "29.97": 1001 / 30000, "59.94": 1001 / 60000, "vfr": 5 / 60}
TOGETHER_S = 0.040
TRACKS = {"23.976": 1, "25": 2, "29.97": 3, "59.94": 2, "vfr": 3}


@pytest.mark.parametrize(("kind", "key_s", "rate"), [*product(MUXERS, (1, 2, 10), RATES)])
def test_a_clip_begins_with_a_picture_and_sound_at_its_first_instant(
    tmp_path: Path, kind: str, key_s: float, rate: str
) -> None:
    # Given a recording that flashes and beeps each second, in several sound tracks of which the last is asked for
    track = 1 if kind == "flv" else TRACKS[rate]
    recording = make(tmp_path / f"a.{kind}", rate=rate, key_s=key_s, sounds=track)
    # When a clip is cut out of it
    clip = clip_of(recording, tmp_path / "clip.mp4", track=track)
    # Then it begins with the picture of its first second, and ends with that of its last
    frame_s = FRAME_S[rate]
    assert clip.times[0] == 0
    assert clip.second_at(0) == 13
    assert clip.second_at(END_S - START_S - frame_s) == 17
    # and every flash and beep is where it was, and they are together
    flashes, beeps = clip.flashes() + START_S - SECONDS, clip.beeps(track - 1) + START_S - SECONDS
    # The clip is moved by half a picture at most, and a flash is seen with the first picture that is taken of it.
    assert flashes.min() > -0.5 * frame_s - 0.005
    assert flashes.max() < 1.5 * frame_s + 0.005
    assert np.abs(beeps).max() <= TOGETHER_S
    assert (flashes - beeps).min() > -TOGETHER_S
    assert (flashes - beeps).max() < max(frame_s + 0.005, TOGETHER_S)
    # and sound and picture end together where they should
    picture_end_s, sound_end_s = clip.ends_s
    assert abs(picture_end_s - sound_end_s) <= TOGETHER_S
    assert picture_end_s == pytest.approx(END_S - START_S, abs=max(frame_s, TOGETHER_S))
    # and the right track is in it, alone
    assert (clip.sounds, clip.loudest()) == (1, track - 1)


def test_the_same_clip_is_the_same_bytes(tmp_path: Path) -> None:
    recording = make(tmp_path / "a.ts", rate="29.97", key_s=10, seconds=20, size="320x180")

    for name in ("one.mp4", "two.mp4"):
        clip_of(recording, tmp_path / name, track=1)

    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()


@pytest.mark.parametrize(("start_s", "end_s"), [(0.0, 3.0), (0.4, 3.0), (16.0, 19.0)])
@pytest.mark.parametrize("kind", MUXERS)
def test_clips_at_the_very_beginning_and_end(tmp_path: Path, kind: str, start_s: float, end_s: float) -> None:
    recording = make(tmp_path / f"a.{kind}", rate="25", key_s=10)

    clip = clip_of(recording, tmp_path / "clip.mp4", track=1, start_s=start_s, end_s=end_s)

    assert clip.times[0] == 0
    assert clip.second_at(0.2) == int(start_s + 0.2)
    first = np.floor(start_s) + 1
    assert clip.flashes()[0] + start_s == pytest.approx(first, abs=0.045)
    assert np.abs(clip.beeps(0) + start_s - first).min() < 0.040
    assert clip.ends_s[0] == pytest.approx(end_s - start_s, abs=0.045)
    assert clip.ends_s[1] == pytest.approx(end_s - start_s, abs=0.045)


def test_a_picture_that_begins_late_is_shown_from_the_start(tmp_path: Path) -> None:
    # Given a recording whose picture begins 2 s after its sound
    ffmpeg("-itsoffset", "2", *PICTURE, *tone(), "-t", "8", *H264, *AAC, tmp_path / "a.mkv")
    # When a clip is cut that begins before
    clip = clip_of(tmp_path / "a.mkv", tmp_path / "clip.mp4", track=1, start_s=0.5, end_s=4)
    # Then there is a picture all along
    assert clip.times[0] == 0
    assert clip.ends_s == pytest.approx((3.5, 3.5), abs=0.045)
