"""Reading packets out of an opened recording: which streams, where its time 0 is, how far the reading is."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Discard, Disposition, Stream
from av.video.stream import VideoStream

from shared.errors import UnsupportedFormat, VideoSizeExceeded
from shared.net.edges import shortage
from shared.progress import Progress
from workers.media.demuxers import converted_errors

MICROSECONDS = 1_000_000  # of libavformat's clock for a whole file
REPORT_EVERY_S = 0.5
LONGEST_BELIEVED_S = 30 * 24 * 3600.0  # headers that tell more are wrong
DAMAGED_READS_ALLOWED = 1000


def sound_of(source: InputContainer) -> AudioStream | None:
    """The sound track that players choose: the one with most channels and packets."""
    best = source.streams.best("audio")
    return best if isinstance(best, AudioStream) else None


def picture_of(source: InputContainer) -> VideoStream | None:
    """The moving picture; a cover picture is none."""
    moving = [stream for stream in source.streams.video if not stream.disposition & Disposition.attached_pic]
    best = source.streams.best("video")
    found = best if best in moving else moving[0] if moving else None
    return found if found is not None and found.codec_context and found.codec_context.width else None


def zero_of(source: InputContainer) -> float:
    """The timestamp, in seconds, that players show as 0:00."""
    chosen = [stream for stream in (sound_of(source), picture_of(source)) if stream is not None]
    starts = [
        float(stream.start_time * stream.time_base)
        for stream in chosen
        if stream.start_time is not None and stream.time_base
    ]
    return min(starts) if starts else (source.start_time or 0) / MICROSECONDS


def duration_of(source: InputContainer) -> float | None:
    """The length the headers tell, in seconds; None when they tell none that can be believed."""
    if source.duration is None:
        return None
    seconds = source.duration / MICROSECONDS
    return round(seconds, 3) if 0 < seconds <= LONGEST_BELIEVED_S else None


def read_packets(source: InputContainer, streams: tuple[Stream, ...], put: Callable[[Packet[Any]], None]) -> bool:
    """Give every packet of `streams` to `put`; False when the file is damaged before its end."""
    for stream in source.streams:
        # mp4 then skips the picture on disk instead of reading it.
        stream.discard = Discard.default if stream in streams else Discard.all
    packets = source.demux(*streams)
    damaged = 0
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError as error:
            if shortage(error) is not None:
                raise
            damaged += 1
            if damaged > DAMAGED_READS_ALLOWED:
                return False
            packets = source.demux(*streams)
            continue
        if packet is None:
            return damaged == 0
        if packet.size:
            put(packet)


@contextmanager
def mp4_output(path: Path) -> Iterator[OutputContainer]:
    """An mp4 that plays while it loads. Nothing is left at `path` when the block fails."""
    with converted_errors():
        output = av.open(
            f"file:{path}", mode="w", format="mp4", container_options={"movflags": "+faststart", "fflags": "+bitexact"}
        )
        try:
            yield output
            output.close()
        except BaseException:
            with suppress(av.FFmpegError):
                output.close()
            path.unlink(missing_ok=True)
            raise


class Meter:
    """Progress by time, or by bytes where the length is not known; refuses what is too long."""

    def __init__(self, source: InputContainer, progress: Progress, max_seconds: float) -> None:
        self._seconds = duration_of(source)
        self._bytes = max(source.size, 1)
        self._progress = progress
        self._max_seconds = max_seconds
        self._next_report = 0.0
        self._done = 0.0

    def at(self, seconds: float, pos: int | None) -> None:
        """Tell that `seconds` of the recording and `pos` bytes of the file are done."""
        if seconds > self._max_seconds:
            raise VideoSizeExceeded(f"The recording is longer than {self._max_seconds / 3600:g} hours.")
        if time.monotonic() < self._next_report:
            return
        self._next_report = time.monotonic() + REPORT_EVERY_S
        done = seconds / self._seconds if self._seconds else (pos or 0) / self._bytes
        self._done = max(self._done, min(done, 1.0)) if math.isfinite(done) else self._done
        self._progress(self._done)


def needed_sound(source: InputContainer) -> AudioStream:
    """The sound track. Raises UnsupportedFormat when there is none."""
    stream = sound_of(source)
    if stream is None:
        raise UnsupportedFormat("The recording has no sound.")
    return stream
