"""Recordings are opened here and nowhere else: kind recognised by its first bytes, demuxer forced, only local files."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import av
from av.container import InputContainer

from shared.errors import FileMissing, PermissionDenied, UnsupportedFormat
from shared.net.edges import converted, shortage

HEAD_BYTES = 64 * 1024
TS_PACKET_BYTES = (188, 192)  # plain and Blu-ray (m2ts)
TS_PACKETS_NEEDED = 3
MP4_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
FIXED_MAGICS = ((b"\x1a\x45\xdf\xa3", "matroska"), (b"FLV\x01", "flv"), (b"OggS", "ogg"))
DEMUXERS = frozenset({"mov", "matroska", "mpegts", "flv", "mp3", "wav", "aac", "ogg"})

NOT_A_RECORDING = "The file is not a recording of a kind that is read here."


def sniff(head: bytes) -> str | None:
    """The demuxer for a file that begins with `head`, None for anything but the eight families."""
    for magic, name in FIXED_MAGICS:
        if head.startswith(magic):
            return name
    if head[4:8] in MP4_FIRST_BOXES:
        return "mov"
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "wav"
    return "mpegts" if _is_mpegts(head) else _bare_audio(head)


def _is_mpegts(head: bytes) -> bool:
    for size in TS_PACKET_BYTES:
        for offset in range(min(size, len(head))):
            syncs = head[offset::size][:TS_PACKETS_NEEDED]
            if syncs == b"\x47" * TS_PACKETS_NEEDED:
                return True
    return False


def _bare_audio(head: bytes) -> str | None:
    """mp3 or ADTS AAC, told apart by the layer bits of the first frame after an ID3 tag, which both may carry."""
    if head.startswith(b"ID3"):
        tag_bytes = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=False))
        if tag_bytes + 2 > len(head):
            return "mp3"
        head = head[tag_bytes:].lstrip(b"\0")
    if len(head) < 4 or head[0] != 0xFF:
        return None
    if head[1] & 0xF6 == 0xF0:
        return "aac"
    valid_rates = head[2] >> 4 != 0xF and head[2] >> 2 & 3 != 3
    return "mp3" if head[1] & 0xE6 == 0xE2 and valid_rates else None


def sniff_file(path: Path) -> str:
    """The demuxer for the file at `path`.

    Raises FileMissing, PermissionDenied, and UnsupportedFormat for what is empty or no recording.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except FileNotFoundError as error:
        raise FileMissing("There is no such file.") from error
    except PermissionError as error:
        raise PermissionDenied("The file may not be read.") from error
    except OSError as error:
        raise (shortage(error) or UnsupportedFormat("The file can't be read.")) from error
    if not head:
        raise UnsupportedFormat("The file is empty.")
    demuxer = sniff(head)
    if demuxer is None:
        raise UnsupportedFormat(NOT_A_RECORDING)
    return demuxer


@contextmanager
def open_media(path: Path, demuxer: str | None = None) -> Iterator[InputContainer]:
    """The recording at `path`, opened with `demuxer` or what its first bytes say.

    PyAV's errors inside the block become UnsupportedFormat, or what the machine has run out of (InsufficientStorage,
    OutOfMemory, ServiceUnavailable).
    """
    kind = demuxer or sniff_file(path)
    if kind not in DEMUXERS:
        raise UnsupportedFormat(NOT_A_RECORDING)
    with converted_errors():
        # `file:` keeps a name such as "concat:a" from being read as a protocol of its own.
        container = av.open(
            f"file:{path}",
            mode="r",
            format=kind,
            container_options={"protocol_whitelist": "file", "format_whitelist": _whitelist(kind)},
            metadata_errors="ignore",
        )
        with container:
            yield container


def _whitelist(kind: str) -> str:
    return "mov,mp4,m4a,3gp,3g2,mj2" if kind == "mov" else "matroska,webm" if kind == "matroska" else kind


def converted_errors() -> AbstractContextManager[None]:
    """Turns PyAV's errors into ours."""
    damaged = "The recording is damaged or incomplete and can't be read."
    return converted(av.FFmpegError, into=lambda _error: UnsupportedFormat(damaged))
