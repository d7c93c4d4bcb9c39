"""HLS behind a link whose sound is served apart from its pictures."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from shared.progress import silent
from tests.flash_and_beep import AAC, H264, PICTURE, look_at
from tests.recordings import ffmpeg
from workers.download.direct import DirectSource
from workers.media.clips import cut_clip
from workers.media.ffmpeg import ffmpeg_path
from workers.media.remux import probe

BEEPS = "aevalsrc='0.5*sin(2*PI*{}*t)*lt(mod(t,1),0.1)':s=48000"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_args: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 s in segments of 4 s, with the beeps at 1100 Hz as the default sound and those at 600 Hz as another one."""
    made = tmp_path_factory.mktemp("hls")
    ffmpeg(
        "-f", "lavfi", "-i", "color=black:s=64x36:r=25", "-f", "lavfi", "-i", BEEPS.format(600),
        "-f", "lavfi", "-i", BEEPS.format(1100), "-map", "0", "-map", "1", "-map", "2", "-vf", PICTURE, "-t", "20",
        *H264, "-g", "100", "-keyint_min", "100", *AAC, "-f", "hls", "-hls_time", "4", "-hls_list_size", "0",
        "-hls_segment_type", "fmp4", "-hls_playlist_type", "vod", "-master_pl_name", "master.m3u8",
        "-var_stream_map", "v:0,agroup:s a:0,agroup:s,name:game a:1,agroup:s,name:voice,default:yes",
        made / "stream%v.m3u8",
    )  # fmt: skip
    return made


@pytest.fixture
def source(folder: Path) -> Iterator[DirectSource]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        host = f"127.0.0.1:{server.server_address[1]}"
        yield DirectSource(
            f"http://{host}/master.m3u8",
            allowed_hosts=["127.0.0.1"],
            allow_private=frozenset({host}),
            max_hours=1,
            min_free_bytes=0,
        )
        server.shutdown()
        thread.join(5)


def test_clips_have_the_sound_that_is_analysed(source: DirectSource, tmp_path: Path) -> None:
    # Given the default sound, as it is analysed
    source.fetch_sound(tmp_path / "audio.m4a", work=tmp_path, progress=silent)
    # When a clip is cut
    part = source.fetch_part(9.4, 14.4, work=tmp_path)
    assert part is not None
    cut_clip(
        part.path, begins_at_s=part.begins_at_seconds, sound=part.sound, start_s=9.4, end_s=14.4,
        into=tmp_path / "clip.mp4", ffmpeg=ffmpeg_path(),
    )  # fmt: skip
    # Then it has it, in time with the picture
    clip = look_at(tmp_path / "clip.mp4")
    assert clip.second_at(0.2) == 9
    assert clip.loudest() == 1
    assert np.abs(clip.flashes() + 9.4 - np.arange(10, 15)).max() < 0.045
    assert np.abs(clip.beeps(1) + 9.4 - np.arange(10, 15)).max() < 0.040


def test_the_whole_video_has_it_too(source: DirectSource, tmp_path: Path) -> None:
    source.fetch_video(tmp_path / "video.mp4", work=tmp_path, progress=silent)

    info = probe(tmp_path / "video.mp4")
    assert (info.has_picture, info.has_sound) == (True, True)
    assert info.duration_s == pytest.approx(20, abs=0.1)
    assert look_at(tmp_path / "video.mp4").loudest() == 1
