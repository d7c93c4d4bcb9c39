"""Only recordings are opened, each with the demuxer that fits, whatever the file is called."""

import time
from contextlib import suppress
from pathlib import Path

import pytest

from shared.errors import FileMissing, InsufficientStorage, UnsupportedFormat
from shared.progress import silent
from tests.recordings import AAC, H264, ffmpeg, recording, tone
from workers.media.demuxers import converted_errors, sniff
from workers.media.remux import copy_sound, probe

KINDS = {
    "a.mp4": ("mov", (*H264, *AAC)),
    "a.mov": ("mov", (*H264, "-c:a", "pcm_s16le")),
    "a.mkv": ("matroska", (*H264, *AAC)),
    "a.ts": ("mpegts", (*H264, *AAC)),
    "a.m2ts": ("mpegts", (*H264, "-c:a", "ac3")),
    "a.flv": ("flv", (*H264, *AAC)),
    "a.m4a": ("mov", ("-map", "1", *AAC)),
    "a.mp3": ("mp3", ("-map", "1", "-c:a", "libmp3lame")),
    "a.wav": ("wav", ("-map", "1")),
    "a.aac": ("aac", ("-map", "1", *AAC)),
    "a.ogg": ("ogg", ("-map", "1", "-c:a", "libvorbis")),
}


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_of_recording_is_recognised_without_its_name(tmp_path: Path, name: str) -> None:
    kind, codecs = KINDS[name]
    made = recording(tmp_path / name, *codecs, seconds=1)

    info = probe(made.rename(tmp_path / "file"))

    assert info.container == kind
    assert info.has_sound
    assert info.has_picture == (codecs[0] != "-map")
    assert info.duration_s == pytest.approx(1.0, abs=0.15)


PLAYLISTS = {
    "hls": b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "concat": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=audio 4000 RTP/AVP 0\n",
    "dash": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>',
    "text": b"just some words\n" * 1000,
    "zeros": bytes(100_000),
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(1000),
    "one byte": b"G",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_what_is_no_recording_is_refused_within_a_second(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(PLAYLISTS[kind])
    began = time.monotonic()

    with pytest.raises(UnsupportedFormat):
        probe(path)

    assert time.monotonic() - began < 1


def test_an_empty_file_is_refused_as_empty(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    path.touch()

    with pytest.raises(UnsupportedFormat, match="empty"):
        probe(path)


def test_a_missing_file_is_told_as_missing(tmp_path: Path) -> None:
    with pytest.raises(FileMissing):
        probe(tmp_path / "none.mp4")


def test_a_demuxer_outside_the_list_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(PLAYLISTS["concat"])

    with pytest.raises(UnsupportedFormat):
        probe(path, demuxer="concat")


def test_a_recording_whose_index_is_missing_is_refused(tmp_path: Path) -> None:
    whole = recording(tmp_path / "a.mp4").read_bytes()
    path = tmp_path / "b.mp4"
    path.write_bytes(whole[: len(whole) // 2])

    with pytest.raises(UnsupportedFormat, match="damaged or incomplete"):
        copy_sound(path, tmp_path / "b.m4a", progress=silent)


@pytest.mark.parametrize("seed", range(12))
def test_damaged_bytes_give_sound_or_a_typed_error_and_never_anything_else(tmp_path: Path, seed: int) -> None:
    name = ("a.mp4", "a.mkv", "a.ts", "a.flv")[seed % 4]
    data = bytearray(recording(tmp_path / name, seconds=2).read_bytes())
    step = 397 + 61 * seed
    for at in range(100 + seed, len(data), step):
        data[at] ^= 0xFF
    path = tmp_path / f"damaged-{name}"
    path.write_bytes(data)

    sound = None
    with suppress(UnsupportedFormat):
        sound = copy_sound(path, tmp_path / "out.m4a", progress=silent)

    assert (tmp_path / "out.m4a").exists() == (sound is not None)
    assert sound is None or 0 < sound.duration_seconds < 4000


def test_a_long_id3_tag_before_aac_or_mp3_is_looked_behind(tmp_path: Path) -> None:
    ffmpeg(*tone(), "-t", "1", *AAC, tmp_path / "a.aac")
    tag = b"ID3\x04\x00\x00" + bytes((0, 0, 8, 0)) + bytes(1024)

    assert sniff(tag + (tmp_path / "a.aac").read_bytes()) == "aac"


def test_a_full_disk_is_told_as_such() -> None:
    from av.error import err_check

    with pytest.raises(InsufficientStorage), converted_errors():
        err_check(-28)
