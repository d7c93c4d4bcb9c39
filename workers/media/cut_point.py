"""Where exactly a clip begins and ends in a file: found from packets alone, nothing is decoded.

All times are seconds of the file's own clock, which may begin anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard
from av.video.stream import VideoStream

from shared.errors import UnsupportedFormat
from shared.net.edges import shortage
from workers.media.demux import MICROSECONDS, picture_of
from workers.media.demuxers import open_media

# Key frames are looked for so far back, one after the other; None is the beginning of the file.
LOOK_BACK_S: tuple[float | None, ...] = (3.0, 12.0, 48.0, 192.0, None)
LOOK_AHEAD_S = 1.0  # decoding order is mixed up by no more than this
MOST_PACKETS = 1_000_000  # looked at, in all
# Sound lies up to so far from the picture of the same moment where a container does not keep an index of each.
INTERLEAVED_S = 3.0
DECODER_SETTLES_S = 0.5  # sound decoded before the start
STEADY = Fraction(1, 200)  # two measures of a steady frame rate differ by less
NTSC = Fraction(1001, 1000)
ROUNDED = Fraction(1, 5000)  # by the clocks of containers
USUAL_RATE = Fraction(30)
HIGHEST_RATE = 240
HDR_TRANSFERS = frozenset({16, 18})  # SMPTE ST 2084 (PQ) and ARIB STD-B67 (HLG), by ITU-T H.273


@dataclass(frozen=True, kw_only=True)
class CutPoint:
    """How to cut one clip.

    picture: its stream's number in the file.  seek_s: where to begin to read, None for the beginning.  first_s: the
    picture shown at the start begins here or later.  start_s, end_s: the clip, moved to the nearest picture.
    rate: pictures a second, None when they are not steady.  pictures: how many a steady clip has.  hdr: the picture has
    a high dynamic range.
    """

    demuxer: str
    picture: int
    seek_s: float | None
    first_s: float
    start_s: float
    end_s: float
    rate: Fraction | None
    pictures: int | None
    hdr: bool
    has_sound: bool

    def at(self, rate: Fraction) -> CutPoint:
        """The same clip with so many pictures a second."""
        pictures = max(1, round((self.end_s - self.start_s) * rate))
        return replace(self, rate=rate, pictures=pictures, end_s=float(self.start_s + pictures / rate))


class _Pictures(NamedTuple):
    """Times of the last key frame and the last picture at or before the start, how long that is shown, the next one."""

    key_s: float | None
    shown_s: float | None
    shown_for_s: float
    next_s: float | None


def find_cut(path: Path, *, start_s: float, end_s: float, sound: int) -> CutPoint:
    """How to cut start_s to end_s out of the recording at `path`.

    sound: number of the sound track, from 0.  Raises UnsupportedFormat when there is no picture, or none at this place.
    """
    with open_media(path) as source:
        picture = picture_of(source)
        if picture is None:
            raise UnsupportedFormat("The recording has no picture.")
        rate = steady_rate(picture)
        step_s = float(1 / (rate or picture.average_rate or USUAL_RATE))
        found = _pictures(source, picture, start_s)
        if _is_over(found, start_s, end_s, step_s):
            raise UnsupportedFormat("The recording has no picture at this place.")
        at_s = _nearest(found, start_s, step_s)
        pictures = max(1, round((end_s - at_s) * rate)) if rate else None
        begins_new = found.shown_s is None or at_s == found.next_s
        return CutPoint(
            demuxer=source.format.name.split(",")[0],
            picture=picture.index,
            seek_s=_seek_s(source, found.key_s, at_s),
            first_s=at_s if begins_new or found.shown_s is None else found.shown_s,
            start_s=at_s,
            end_s=float(at_s + pictures / rate) if rate and pictures else end_s,
            rate=rate,
            pictures=pictures,
            hdr=picture.codec_context.color_trc in HDR_TRANSFERS,
            has_sound=sound < len(source.streams.audio),
        )


def steady_rate(picture: VideoStream) -> Fraction | None:
    """The pictures a second of a recording with a steady rate, None where it varies or is not told."""
    mean, finest = picture.average_rate, picture.base_rate
    if not mean or not finest or not 1 <= mean <= HIGHEST_RATE:
        return None
    # Of interlaced pictures the finest step is that of a field.
    whole = next((Fraction(finest, fields) for fields in (1, 2) if abs(finest / fields / mean - 1) < STEADY), None)
    return None if whole is None else _exact(whole)


def _exact(rate: Fraction) -> Fraction:
    """The rate that is meant: containers with clocks of 1 ms tell 59.94 as 19001/317."""
    usual = (Fraction(round(rate)), Fraction(round(rate * NTSC) * 1000, 1001))
    return next((one for one in usual if one and abs(rate / one - 1) < ROUNDED), rate.limit_denominator(1001))


def _is_over(found: _Pictures, start_s: float, end_s: float, step_s: float) -> bool:
    if found.next_s is not None and found.next_s < end_s:
        return False
    return found.shown_s is None or found.shown_s + max(found.shown_for_s, step_s) <= start_s


def _nearest(found: _Pictures, start_s: float, step_s: float) -> float:
    """The beginning of the picture nearest to `start_s`, if one is within half a picture of it."""
    near = [at_s for at_s in (found.shown_s, found.next_s) if at_s is not None and abs(at_s - start_s) <= step_s / 2]
    return min(near, key=lambda at_s: abs(at_s - start_s), default=start_s)


def _seek_s(source: InputContainer, key_s: float | None, at_s: float) -> float | None:
    if key_s is None:
        return None
    indexed = "mov" in source.format.name
    seek_s = min(key_s, at_s - (DECODER_SETTLES_S if indexed else INTERLEAVED_S))
    return seek_s if seek_s > (source.start_time or 0) / MICROSECONDS else None


def _pictures(source: InputContainer, picture: VideoStream, start_s: float) -> _Pictures:
    """The pictures around `start_s`, from further and further back until there is a key frame before it."""
    for stream in source.streams:
        stream.discard = Discard.default if stream is picture else Discard.all
    left = iter(range(MOST_PACKETS))
    found = _Pictures(None, None, 0.0, None)
    for back_s in LOOK_BACK_S:
        begin_s = None if back_s is None else start_s - back_s
        found = _scan(_packets(source, picture, begin_s), start_s, left)
        if found.key_s is not None:
            return found
    return found


def _packets(source: InputContainer, picture: VideoStream, begin_s: float | None) -> Iterator[Packet[VideoStream]]:
    """The picture's packets from `begin_s` on, as far as they can be read."""
    base = picture.time_base or Fraction(1, 90_000)
    first = picture.start_time or 0
    target = first if begin_s is None else max(round(begin_s / base), first)
    try:
        source.seek(target, stream=picture, backward=True)
        for packet in source.demux(picture):
            if packet.size and packet.pts is not None:
                yield packet
    except av.FFmpegError as error:
        if shortage(error) is not None:
            raise


def _scan(packets: Iterator[Packet[VideoStream]], start_s: float, left: Iterator[int]) -> _Pictures:
    key_s: float | None = None
    shown_s: float | None = None
    shown_for_s = 0.0
    next_s: float | None = None
    for packet, _ in zip(packets, left, strict=False):
        at_s = float((packet.pts or 0) * packet.time_base)
        if at_s > start_s:
            next_s = at_s if next_s is None else min(next_s, at_s)
        elif shown_s is None or at_s >= shown_s:
            shown_s, shown_for_s = at_s, float((packet.duration or 0) * packet.time_base)
        if packet.is_keyframe and at_s <= start_s:
            key_s = at_s if key_s is None else max(key_s, at_s)
        decoded_s = at_s if packet.dts is None else float(packet.dts * packet.time_base)
        if next_s is not None and decoded_s > start_s + LOOK_AHEAD_S:
            break
    return _Pictures(key_s, shown_s, shown_for_s, next_s)
