"""What an editor has to know about a recording, measured at its headers and its first pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice, pairwise, takewhile
from pathlib import Path
from typing import NamedTuple, TypeVar

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from shared.net.edges import shortage
from shared.records import Measured
from workers.media.demux import picture_of, sound_of
from workers.media.demuxers import open_media

PICTURES_READ = 900  # half a minute at 30 a second
REORDERED = 16  # pictures at the end of what was read whose neighbours may be missing still
# Timestamps of whole milliseconds (Matroska, FLV) are off by up to half of one at each end of a picture.
STEADY_S = 0.0021
SAME_RATE = Fraction(3, 10_000)  # relative; 59.94 and 60 differ by 10 in 10 000
# Live recordings lose pictures now and then; more than this, and the rate varies.
EVEN_SHARE = 0.98  # of the beginning's pictures
DRIFT = Fraction(2, 100)  # relative: the whole recording's rate against its beginning's
COARSE_CLOCK = Fraction(1, 2000)  # s; a pace measured with one needs
SPAN_S = 8  # to be told from its neighbour
SLOWEST, FASTEST = 1, 1000
MOST_PIXELS = 1 << 26  # of a picture that is decoded here, for its rotation: 8192 x 8192
STANDARD = (*(Fraction(n * 1000, 1001) for n in (12, 15, 24, 30, 48, 60, 120)), *map(Fraction, range(1, 301)))
_TIMECODE = re.compile(r"\d{2}:[0-5]\d:[0-5]\d[:;.,]\d{2,3}")


def measure(path: Path, *, demuxer: str | None = None) -> Measured:
    """Measure the recording at `path`. Raises UnsupportedFormat, FileMissing, PermissionDenied."""
    with open_media(path, demuxer) as source:
        picture, sound = picture_of(source), sound_of(source)
        beginning = _beginning(source, picture) if picture else None
        rate, varies = _frame_rate(picture, beginning.times) if picture and beginning else (None, None)
        return Measured(
            has_picture=picture is not None,
            frame_rate=f"{rate.numerator}/{rate.denominator}" if rate else None,
            variable_frame_rate=varies,
            width=beginning.width if beginning else None,
            height=beginning.height if beginning else None,
            start_timecode=_start_timecode(source),
            audio_channels=sound.codec_context.channels if sound else None,
            audio_rate=sound.codec_context.sample_rate if sound else None,
        )


Item = TypeVar("Item")


class _Beginning(NamedTuple):
    """times: when the first pictures are shown, in seconds, ascending.  width, height: as shown."""

    times: list[Fraction]
    width: int
    height: int


def _beginning(source: InputContainer, picture: VideoStream) -> _Beginning:
    times: list[Fraction] = []
    first = None
    width, height = picture.codec_context.width, picture.codec_context.height
    small = width * height <= MOST_PIXELS
    for packet in islice(_readable(source.demux(picture)), PICTURES_READ):
        if packet.pts is not None:
            times.append(packet.pts * packet.time_base)
        if first is None and small:
            first = next(_readable(_decoded(packet)), None)
    times.sort()
    width = round(width * (picture.sample_aspect_ratio or 1)) or width
    if first is not None and first.rotation % 180:
        width, height = height, width
    return _Beginning(times[:-REORDERED] if len(times) > 2 * REORDERED else times, width, height)


def _decoded(packet: Packet[VideoStream]) -> Iterator[VideoFrame]:
    yield from packet.decode()


def _start_timecode(source: InputContainer) -> str | None:
    tags = (*(stream.metadata for stream in source.streams), source.metadata)
    # Matroska's tags are in capitals.
    found = (value for metadata in tags for name, value in metadata.items() if name.lower() == "timecode")
    return next((value for value in found if _TIMECODE.fullmatch(value)), None)


def _readable(items: Iterator[Item]) -> Iterator[Item]:
    """Up to the first damage: what comes before it is enough to measure."""
    while True:
        try:
            item = next(items, None)
        except av.FFmpegError as error:
            if shortage(error) is not None:
                raise
            return
        if item is None:
            return
        yield item


def _frame_rate(picture: VideoStream, times: list[Fraction]) -> tuple[Fraction | None, bool | None]:
    """The rate, and whether it varies."""
    counted = _usable(_counted(picture))
    declared = counted or _usable(Fraction(picture.average_rate or 0))
    span = times[-1] - times[0] if times else Fraction(0)
    if not span:
        return (_rounded(declared), None) if declared else (None, None)
    steps = [later - sooner for sooner, later in pairwise(times)]
    usual = sorted(steps)[len(steps) // 2]
    even = [step for step in steps if abs(step - usual) <= STEADY_S]
    pace = len(even) / sum(even, Fraction(0)) if usual else len(steps) / span
    if len(even) < EVEN_SHARE * len(steps) or abs((counted or pace) - pace) > DRIFT * pace:
        # What headers tell without having counted is what was meant, not what was recorded.
        return _rounded(counted or len(steps) / span), True
    exact = picture.time_base is not None and picture.time_base < COARSE_CLOCK
    sources = (pace, declared) if exact or span >= SPAN_S else (declared, pace)
    return next((rate for rate in map(_standard, sources) if rate), _rounded(pace)), False


def _counted(picture: VideoStream) -> Fraction:
    """Pictures by length, 0 where the headers don't have both."""
    if not (picture.frames and picture.duration and picture.time_base):
        return Fraction(0)
    frames = picture.frames
    if entries := picture.index_entries:
        # The file holds more than is shown where it was trimmed without being encoded again (edit lists).
        unseen = sum(1 for _ in takewhile(lambda entry: entry.is_discard, entries))
        frames = min(frames, len(entries)) - unseen
    return Fraction(frames) / (picture.duration * picture.time_base)


def _usable(rate: Fraction) -> Fraction | None:
    return rate if SLOWEST <= rate <= FASTEST else None


def _standard(rate: Fraction | None) -> Fraction | None:
    """The standard rate that `rate` is up to rounding; None when there is none."""
    nearest = min(STANDARD, key=lambda one: abs(one - (rate or 0)))
    return nearest if rate and abs(nearest - rate) <= SAME_RATE * rate else None


def _rounded(rate: Fraction) -> Fraction | None:
    """The standard rate, or `rate` in thousandths; None when no picture can have it."""
    return _standard(rate) or (Fraction(round(rate * 1000), 1000) if _usable(rate) else None)
