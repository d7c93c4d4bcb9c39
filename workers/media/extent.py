"""How long a file is on a timeline of several: from its 0:00 to where its last picture, or its sound, ends."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from shared.errors import UnsupportedFormat
from workers.media.demux import LEAD_IN_S, MICROSECONDS, duration_of, picture_of, read_packets, sound_of, zero_of
from workers.media.demuxers import open_media

TAIL_S = 10.0  # read before the end that the headers tell
EXACT_SEEKS = frozenset({"mov", "matroska", "mpegts"})  # timestamps stay right after a jump; others are read whole


def length_s(path: Path, *, track: int) -> float:
    """Seconds of the recording at `path`; of picture and sound that end together, the picture counts.

    Sound is coded in blocks that reach a little behind the end: over fifty parts they would add up to a second.
    track: the sound track that is used, from 1.  Raises UnsupportedFormat.
    """
    with open_media(path) as source:
        picture, sound = picture_of(source), sound_of(source, track)
        ends = _ends(source, tuple(stream for stream in (picture, sound) if stream is not None))
        picture_s, sound_s = (ends.get(stream.index) if stream is not None else None for stream in (picture, sound))
        both = [end_s for end_s in (picture_s, sound_s) if end_s is not None]
        if not both:
            raise UnsupportedFormat("There is nothing in the recording that can be read.")
        together = picture_s is not None and max(both) - min(both) <= LEAD_IN_S
        end_s = picture_s if together and picture_s is not None else max(both)
        return max(end_s - zero_of(source, track), 0.0)


def _ends(source: InputContainer, streams: tuple[Stream, ...]) -> dict[int, float]:
    """Where each stream ends, in seconds of the file's own clock, by its index."""
    told_s = duration_of(source)
    if told_s is not None and told_s > TAIL_S and source.format.name.split(",")[0] in EXACT_SEEKS:
        source.seek(round((told_s - TAIL_S) * MICROSECONDS) + (source.start_time or 0))
        found = _read(source, streams)
        if len(found) == len(streams):
            return found
    source.seek(source.start_time or 0)
    return _read(source, streams)


def _read(source: InputContainer, streams: tuple[Stream, ...]) -> dict[int, float]:
    ends: dict[int, float] = {}

    def put(packet: Packet[Stream]) -> None:
        if packet.pts is not None and packet.time_base:
            end_s = float((packet.pts + (packet.duration or 0)) * packet.time_base)
            ends[packet.stream_index] = max(ends.get(packet.stream_index, end_s), end_s)

    read_packets(source, streams, put)
    return {index: _declared_or(ends[index], stream) for index, stream in _by_index(streams) if index in ends}


def _by_index(streams: tuple[Stream, ...]) -> Iterable[tuple[int, Stream]]:
    return ((stream.index, stream) for stream in streams)


def _declared_or(end_s: float, stream: Stream) -> float:
    """The end that the headers tell, to the sample, where the last packet's does not contradict it."""
    if not stream.duration or not stream.time_base:
        return end_s
    told_s = float((stream.duration + (stream.start_time or 0)) * stream.time_base)
    return told_s if abs(told_s - end_s) <= LEAD_IN_S else end_s
