"""Pieces of the sound track as files of their own, not re-encoded."""

from pathlib import Path
from typing import NamedTuple

import av

from shared.errors import UnsupportedFormat
from shared.net.edges import converted


class Span(NamedTuple):
    """A piece of the sound, in seconds."""

    start: float
    end: float


def cut(audio: Path, span: Span, into: Path) -> float:
    """Write the part of `audio` (m4a) in `span` to `into`; returns the second of the recording that is its time 0.

    That is the packet in which `span` begins, up to 0.1 s before it. Raises UnsupportedFormat, InsufficientStorage.
    """
    damaged = "The sound track is damaged and can't be cut."
    with converted(av.FFmpegError, into=lambda _error: UnsupportedFormat(damaged)):
        return _cut(audio, span, into)


def _cut(audio: Path, span: Span, into: Path) -> float:
    begins: float | None = None
    with (
        av.open(f"file:{audio}", format="mov", metadata_errors="ignore") as source,
        av.open(f"file:{into}", "w", format="mp4", container_options={"fflags": "+bitexact"}) as output,
    ):
        stream = source.streams.audio[0]
        copied = output.add_stream_from_template(stream)
        if span.start > 0:
            source.seek(int(span.start * 1_000_000))
        for packet in source.demux(stream):
            if packet.pts is None or not packet.size:
                continue
            at_s = float(packet.pts * packet.time_base)
            if at_s >= span.end:
                break
            length_s = float((packet.duration or 0) * packet.time_base)
            if begins is None and at_s + length_s <= span.start:
                continue
            if begins is None:
                begins, first = at_s, packet.pts
            packet.pts -= first
            packet.dts = packet.pts
            packet.stream = copied
            output.mux(packet)
    if begins is None:
        raise UnsupportedFormat("There is no sound in this part of the sound track.")
    return begins
