"""What editors have to know about a recording, measured on recordings of every kind."""

from fractions import Fraction
from pathlib import Path

import pytest

from tests.recordings import AAC, H264, ffmpeg, recording, tone
from workers.download.file_name import file_name
from workers.media.measure import measure

RATES = ("24000/1001", "24/1", "25/1", "30000/1001", "30/1", "50/1", "60000/1001", "60/1", "20/1", "15/1")
EVERY_FIFTH_LEFT_OUT = ("-vf", "select='not(eq(mod(n\\,5)\\,2))'", "-fps_mode", "vfr")


def at_rate(path: Path, rate: str, *more: str | Path, seconds: float = 3.0) -> Path:
    picture = ("-f", "lavfi", "-i", f"testsrc=s=160x90:r={rate}")
    ffmpeg(*picture, *tone(), "-t", str(seconds), *more, *H264, *AAC, path)
    return path


@pytest.mark.parametrize("kind", ["mp4", "mkv", "ts", "mov", "flv"])
@pytest.mark.parametrize("rate", RATES)
def test_the_rate_is_exact_in_every_container(tmp_path: Path, kind: str, rate: str) -> None:
    measured = measure(at_rate(tmp_path / f"a.{kind}", rate))

    assert (measured.frame_rate, measured.variable_frame_rate) == (rate, False)


@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_a_varying_rate_is_told_with_its_average(tmp_path: Path, kind: str) -> None:
    measured = measure(at_rate(tmp_path / f"a.{kind}", "30", *EVERY_FIFTH_LEFT_OUT, seconds=10))

    assert measured.variable_frame_rate
    assert float(Fraction(measured.frame_rate or "0")) == pytest.approx(24, abs=0.1)


@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_a_recording_that_lost_a_few_pictures_keeps_its_rate(tmp_path: Path, kind: str) -> None:
    lossy = ("-vf", "select='not(eq(mod(n\\,150)\\,77))'", "-fps_mode", "vfr")
    measured = measure(at_rate(tmp_path / f"a.{kind}", "60000/1001", *lossy, seconds=10))

    assert (measured.frame_rate, measured.variable_frame_rate) == ("60000/1001", False)


@pytest.mark.parametrize(("kind", "how"), [("mov", "-timecode"), ("mp4", "-timecode"), ("mkv", "-metadata")])
@pytest.mark.parametrize("timecode", ["10:00:00:00", "10:00:00;02"])
def test_the_start_timecode_is_found(tmp_path: Path, kind: str, how: str, timecode: str) -> None:
    tag = timecode if how == "-timecode" else f"timecode={timecode}"
    measured = measure(at_rate(tmp_path / f"a.{kind}", "30000/1001", how, tag))

    assert measured.start_timecode == timecode


@pytest.mark.parametrize("tag", ["soon", "10:00", "10:99:00:00", "10:00:00:00 and more", "10:00:00:0", "x" * 5000])
def test_what_is_no_timecode_is_none(tmp_path: Path, tag: str) -> None:
    assert measure(at_rate(tmp_path / "a.mkv", "25", "-metadata", f"timecode={tag}")).start_timecode is None


def test_size_is_as_shown(tmp_path: Path) -> None:
    upright = recording(tmp_path / "a.mp4", seconds=1)
    ffmpeg("-display_rotation", "90", "-i", upright, "-c", "copy", tmp_path / "turned.mp4")

    turned = measure(tmp_path / "turned.mp4")
    assert (measure(upright).width, measure(upright).height) == (160, 90)
    assert (turned.width, turned.height) == (90, 160)


def test_pixels_that_are_not_square_are_counted_as_shown(tmp_path: Path) -> None:
    measured = measure(at_rate(tmp_path / "a.mp4", "25", "-vf", "setsar=4/3"))

    assert (measured.width, measured.height) == (213, 90)


def test_the_main_sound_track_is_measured(tmp_path: Path) -> None:
    stereo = ("-map", "1", "-map", "1", "-map", "0", "-ac", "2", "-ar", "48000")
    measured = measure(at_rate(tmp_path / "a.mkv", "25", *stereo))

    assert (measured.audio_channels, measured.audio_rate) == (2, 48000)


def test_sound_alone_has_no_rate(tmp_path: Path) -> None:
    measured = measure(recording(tmp_path / "a.m4a", "-map", "1", *AAC, seconds=1))

    assert not measured.has_picture
    assert (measured.frame_rate, measured.width, measured.height) == (None, None, None)


def test_a_recording_that_breaks_off_is_measured_by_what_is_there(tmp_path: Path) -> None:
    whole = at_rate(tmp_path / "a.mkv", "25")
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2] + b"\xff" * 5000)

    assert measure(cut).frame_rate == "25/1"


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("A stream", "A stream [42].mp4"),
        ('a/b\\c:d*e?f"g<h>i|j', "a_b_c_d_e_f_g_h_i_j [42].mp4"),
        ("..", "recording [42].mp4"),
        ("-rf\n\x07 x\u202e", "rf x [42].mp4"),
        ("", "recording [42].mp4"),
    ],
)
def test_a_fetched_recording_is_named_so_that_every_disk_takes_it(title: str, name: str) -> None:
    assert file_name(title, tag="[42]") == name


def test_a_long_title_makes_a_name_of_bounded_bytes() -> None:
    name = file_name("語" * 500, tag="[42]")

    assert len(name.encode()) <= 200
    assert name.endswith("語 [42].mp4")
