"""Clips and thumbnails, cut from a video whose pictures tell their second."""

from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest

from shared.errors import FileMissing, UnsupportedFormat
from tests.unit.analysis_made import write_video
from workers.media.clips import cut_clip, thumbnail

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "part.mp4")


def greys(clip: Path) -> list[float]:
    with av.open(str(clip)) as container:
        return [float(frame.to_ndarray(format="gray").mean()) for frame in container.decode(container.streams.video[0])]


def test_a_clip_begins_and_ends_where_it_was_asked_to(video: Path, tmp_path: Path) -> None:
    # Given a part whose first second is second 100 of the recording, pictures brighter by 16 a second, 20 a second
    clip = tmp_path / "01.mp4"
    # When a clip is cut that begins between key frames
    cut_clip(video, begins_at_s=100, start_s=103.7, end_s=108.2, into=clip, ffmpeg=FFMPEG)
    # Then the picture brightens 0.3 s after its start, which is where second 104 began
    values = greys(clip)
    first_change = next(place for place, value in enumerate(values) if value > values[0] + 8)
    assert first_change / 20 == pytest.approx(0.3, abs=0.1)
    with av.open(str(clip)) as container:
        assert (container.duration or 0) / 1e6 == pytest.approx(4.5, abs=0.1)
        assert container.streams.video[0].codec_context.name == "h264"
        assert container.streams.audio[0].codec_context.name == "aac"


def test_a_clip_can_be_played_while_it_loads(video: Path, tmp_path: Path) -> None:
    clip = tmp_path / "01.mp4"
    cut_clip(video, begins_at_s=0, start_s=1, end_s=3, into=clip, ffmpeg=FFMPEG)
    content = clip.read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_a_vertical_clip_is_nine_by_sixteen(video: Path, tmp_path: Path) -> None:
    clip = tmp_path / "01.mp4"
    cut_clip(video, begins_at_s=0, start_s=1, end_s=2, into=clip, vertical=True, ffmpeg=FFMPEG)
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (720, 1280)


def test_a_part_without_sound_gives_a_silent_clip(tmp_path: Path) -> None:
    part = write_video(tmp_path / "part.mp4", seconds=4, sound=False)
    cut_clip(part, begins_at_s=0, start_s=1, end_s=3, into=tmp_path / "01.mp4", ffmpeg=FFMPEG)
    with av.open(str(tmp_path / "01.mp4")) as container:
        assert not container.streams.audio


def test_the_thumbnail_is_the_liveliest_picture(tmp_path: Path) -> None:
    # Given a grey clip with half a second of coloured noise in it
    path = tmp_path / "clip.mp4"
    random = np.random.default_rng(1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=20)
        stream.width, stream.height, stream.pix_fmt = 128, 72, "yuv420p"
        for number in range(60):
            picture = np.full((72, 128, 3), 90, dtype=np.uint8)
            if 30 <= number < 40:
                picture[:, :, 0] = np.kron(random.integers(0, 2, (9, 16)), np.ones((8, 8))).astype(np.uint8) * 255
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    # When a thumbnail is made
    thumbnail(path, into=tmp_path / "01.jpg", ffmpeg=FFMPEG)
    # Then it shows the noise
    with av.open(str(tmp_path / "01.jpg")) as container:
        shown = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert shown[:, :, 0].std() > 60


@pytest.mark.parametrize("content", [b"", b"no video at all", b"\x00\x00\x00\x20ftypisom" + b"\x00" * 500])
def test_what_can_not_be_cut_is_a_typed_error_and_leaves_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "part.mp4").write_bytes(content)
    with pytest.raises(UnsupportedFormat):
        cut_clip(tmp_path / "part.mp4", begins_at_s=0, start_s=0, end_s=2, into=tmp_path / "01.mp4", ffmpeg=FFMPEG)
    with pytest.raises(UnsupportedFormat):
        thumbnail(tmp_path / "part.mp4", into=tmp_path / "01.jpg", ffmpeg=FFMPEG)
    assert [path.name for path in tmp_path.iterdir()] == ["part.mp4"]


def test_a_playlist_in_disguise_reads_no_other_file(tmp_path: Path) -> None:
    # Given a "video" that is a playlist pointing at another file
    secret = write_video(tmp_path / "secret.mp4", seconds=2)
    (tmp_path / "part.mp4").write_text(f"#EXTM3U\n#EXTINF:2,\nfile://{secret}\n#EXT-X-ENDLIST\n")
    # Then it is refused
    with pytest.raises(UnsupportedFormat):
        cut_clip(tmp_path / "part.mp4", begins_at_s=0, start_s=0, end_s=1, into=tmp_path / "01.mp4", ffmpeg=FFMPEG)


def test_a_missing_part_and_an_empty_span_are_typed_errors(video: Path, tmp_path: Path) -> None:
    with pytest.raises(FileMissing):
        cut_clip(tmp_path / "no.mp4", begins_at_s=0, start_s=0, end_s=2, into=tmp_path / "01.mp4", ffmpeg=FFMPEG)
    with pytest.raises(UnsupportedFormat):
        cut_clip(video, begins_at_s=0, start_s=2, end_s=2, into=tmp_path / "01.mp4", ffmpeg=FFMPEG)
    with pytest.raises(UnsupportedFormat):
        cut_clip(video, begins_at_s=0, start_s=500, end_s=510, into=tmp_path / "01.mp4", ffmpeg=FFMPEG)
