"""A picture and a sound that came as two files, in one."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream

from workers.media.demux import mp4_output
from workers.media.demuxers import open_media


class _Timed(NamedTuple):
    at_s: float
    order: int  # decides between packets of the same time
    packet: Packet[Stream]


def merge(picture: Path, sound: Path, into: Path, *, sound_later_s: float = 0.0) -> None:
    """Write the picture of one mp4 and the sound of another to `into`, nothing encoded anew.

    sound_later_s: how much later than the picture's time 0 the sound's is.  Raises UnsupportedFormat,
    InsufficientStorage.
    """
    with open_media(picture) as pictures, open_media(sound) as sounds, mp4_output(into) as output:
        first = _packets(pictures, pictures.streams.video[0], output, 0.0, 0)
        second = _packets(sounds, sounds.streams.audio[0], output, sound_later_s, 1)
        for timed in heapq.merge(first, second):
            output.mux_one(timed.packet)


def _packets(
    source: InputContainer, stream: Stream, output: OutputContainer, later_s: float, order: int
) -> Iterator[_Timed]:
    """The packets of a stream at their new times, for a copy of it in `output`."""
    copied = output.add_stream_from_template(stream)
    return _moved(source, stream, copied, later_s, order)


def _moved(source: InputContainer, stream: Stream, copied: Stream, later_s: float, order: int) -> Iterator[_Timed]:
    for packet in source.demux(stream):
        if not packet.size or packet.dts is None or packet.pts is None:
            continue
        later = round(later_s / packet.time_base)
        packet.pts, packet.dts = packet.pts + later, packet.dts + later
        packet.stream = copied
        yield _Timed(float(packet.dts * packet.time_base), order, packet)
