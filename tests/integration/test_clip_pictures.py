"""A clip looks like the recording, in square pixels and standard colours."""

from pathlib import Path
from typing import NamedTuple

import av
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt
import pytest

from tests.recordings import AAC, ffmpeg
from workers.media.clips import cut_clip

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
X265 = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-pix_fmt", "yuv420p10le")


class Shown(NamedTuple):
    width: int
    height: int
    sample_aspect: float
    pixel_format: str
    transfer: int
    pixels: npt.NDArray[np.float64]  # of the first picture, RGB 0-255


def first_picture(clip: Path) -> Shown:
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        frame = next(container.decode(stream))
        context = stream.codec_context
        aspect = float(stream.sample_aspect_ratio or 1)
        pixels = frame.to_ndarray(format="rgb24").astype(np.float64)
        return Shown(frame.width, frame.height, aspect, context.pix_fmt or "", context.color_trc, pixels)


def cut(recording: Path, *, vertical: bool = False) -> Shown:
    into = recording.with_name("clip.mp4")
    cut_clip(recording, begins_at_s=0, start_s=0.5, end_s=1.0, into=into, vertical=vertical, ffmpeg=FFMPEG)
    return first_picture(into)


def record(path: Path, size: str, *arguments: str, codec: tuple[str, ...] = X264) -> Path:
    """A second and a half of four coloured quarters: red, green over blue, white."""
    width, height = (int(side) for side in size.split("x"))
    boxes = ",".join(
        f"drawbox=x={x * width // 2}:y={y * height // 2}:w={width // 2}:h={height // 2}:color={colour}:t=fill"
        for colour, x, y in (("red", 0, 0), ("lime", 1, 0), ("blue", 0, 1), ("white", 1, 1))
    )
    picture = ("-f", "lavfi", "-i", f"color=black:s={size}:r=25,format=yuv444p,{boxes}")
    ffmpeg(*picture, "-f", "lavfi", "-i", "sine=440:r=48000", "-t", "1.5", *codec, *AAC, *arguments, path)
    return path


def corner(shown: Shown, x: float, y: float) -> list[bool]:
    """Whether red, green and blue are bright at a place, 0-1 from the upper left."""
    place = shown.pixels[int(y * shown.height), int(x * shown.width)]
    return [bool(value > 128) for value in place]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("1920x1080", (1920, 1080)),
        ("2560x1440", (1920, 1080)),
        ("1080x1920", (1080, 1920)),
        ("1440x2560", (1080, 1920)),
        ("2560x1080", (2560, 1080)),
        ("640x360", (640, 360)),
        ("1278x718", (1278, 718)),
        ("480x852", (480, 852)),
    ],
)
def test_the_shorter_side_is_limited_and_the_shape_kept(tmp_path: Path, size: str, expected: tuple[int, int]) -> None:
    shown = cut(record(tmp_path / "a.mp4", size))

    assert (shown.width, shown.height, shown.sample_aspect) == (*expected, 1.0)


def test_odd_sizes_are_made_even(tmp_path: Path) -> None:
    recording = record(tmp_path / "a.mkv", "639x359", codec=("-c:v", "libx264", "-pix_fmt", "yuv444p"))

    shown = cut(recording)

    assert (shown.width, shown.height, shown.pixel_format) == (638, 358, "yuv420p")


@pytest.mark.parametrize(("vertical", "expected"), [(False, (1920, 1080)), (True, (720, 1280))])
def test_anamorphic_pictures_get_square_pixels(tmp_path: Path, vertical: bool, expected: tuple[int, int]) -> None:
    shown = cut(record(tmp_path / "a.mp4", "1440x1080", "-vf", "setsar=4/3"), vertical=vertical)

    assert (shown.width, shown.height, shown.sample_aspect) == (*expected, 1.0)


def test_a_circle_stays_round_in_a_vertical_clip_of_an_anamorphic_picture(tmp_path: Path) -> None:
    # Given a disc that is round when it is shown: 200 high, 150 wide in pixels of 4:3
    disc = "geq=lum='if(lt(pow((X-360)/75,2)+pow((Y-270)/100,2),1),235,16)':cb=128:cr=128"
    ffmpeg(
        "-f", "lavfi", "-i", f"color=black:s=720x540:r=25,{disc},setsar=4/3", "-t", "1.5", *X264, tmp_path / "a.mp4"
    )  # fmt: skip
    # When a vertical clip is cut
    shown = cut(tmp_path / "a.mp4", vertical=True)
    # Then it is as wide as high
    bright = shown.pixels[:, :, 1] > 128
    width, height = int(bright.any(axis=0).sum()), int(bright.any(axis=1).sum())
    assert width == pytest.approx(height, rel=0.03)
    assert height == pytest.approx(200 * 1280 / 540, rel=0.05)


def test_a_portrait_recording_narrower_than_nine_by_sixteen_is_cropped_not_stretched(tmp_path: Path) -> None:
    shown = cut(record(tmp_path / "a.mp4", "480x1200"), vertical=True)

    assert (shown.width, shown.height, shown.sample_aspect) == (720, 1280, 1.0)
    assert corner(shown, 0.25, 0.45) == [True, False, False]


def test_a_turned_recording_is_shown_upright(tmp_path: Path) -> None:
    # Given a recording that says that it has to be turned by 90 degrees
    record(tmp_path / "flat.mp4", "640x360")
    ffmpeg("-display_rotation", "90", "-i", tmp_path / "flat.mp4", "-c", "copy", tmp_path / "a.mp4")
    # When a clip is cut
    shown = cut(tmp_path / "a.mp4")
    # Then it is upright: what was at the upper right (green) is at the upper left
    assert (shown.width, shown.height) == (360, 640)
    assert corner(shown, 0.25, 0.25) == [False, True, False]


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_hdr_is_shown_in_standard_colours(tmp_path: Path, transfer: str) -> None:
    # Given the colours in HDR, 10 bit
    to_hdr = f"zscale=tin=bt709:min=bt709:pin=bt709:t={transfer}:p=bt2020:m=bt2020nc:npl=203,format=yuv420p10le"
    tags = ("-color_primaries", "bt2020", "-color_trc", transfer, "-colorspace", "bt2020nc")
    recording = record(tmp_path / "a.mkv", "320x180", "-vf", to_hdr, *tags, codec=X265)
    assert first_picture(recording).transfer in (16, 18)
    # When a clip is cut
    shown = cut(recording)
    # Then it is BT.709, 8 bit, and the colours are what they were
    assert (shown.transfer, shown.pixel_format) == (1, "yuv420p")
    assert corner(shown, 0.25, 0.25) == [True, False, False]
    assert corner(shown, 0.75, 0.25) == [False, True, False]
    assert corner(shown, 0.25, 0.75) == [False, False, True]
    assert corner(shown, 0.75, 0.75) == [True, True, True]
    assert np.ptp(shown.pixels[135, 240]) < 12


def test_a_cover_picture_is_not_the_picture(tmp_path: Path) -> None:
    record(tmp_path / "film.mp4", "320x180")
    ffmpeg("-f", "lavfi", "-i", "color=gray:s=600x600", "-frames:v", "1", tmp_path / "cover.png")
    ffmpeg(
        "-i", tmp_path / "cover.png", "-i", tmp_path / "film.mp4", "-map", "0", "-map", "1",
        "-c", "copy", "-disposition:v:0", "attached_pic", tmp_path / "a.mp4",
    )  # fmt: skip

    shown = cut(tmp_path / "a.mp4")

    assert (shown.width, shown.height) == (320, 180)
    assert corner(shown, 0.25, 0.25) == [True, False, False]
