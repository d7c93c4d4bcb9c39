"""Reading packets out of an opened recording: which streams, where its time 0 is, how far the reading is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Discard, Disposition, Stream
from av.video.stream import VideoStream

from shared.errors import UnsupportedFormat, VideoSizeExceeded
from shared.net.edges import shortage
from shared.progress import Progress
from shared.throttle import Throttle
from workers.media.demuxers import converted_errors

MICROSECONDS = 1_000_000  # of libavformat's clock for a whole file
REPORT_EVERY_S = 0.5
LEAD_IN_S = 0.1  # encoders begin the sound with some samples that belong before its beginning
LONGEST_BELIEVED_S = 30 * 24 * 3600.0  # headers that tell more are wrong
DAMAGED_READS_ALLOWED = 1000


def sound_of(source: InputContainer, track: int | None = None) -> AudioStream | None:
    """Sound track `track`, from 1; else the one that players choose: the default one, else the first."""
    tracks = source.streams.audio
    if track is not None:
        return tracks[track - 1] if track <= len(tracks) else None
    return next((one for one in tracks if one.disposition & Disposition.default), tracks[0] if tracks else None)


def picture_of(source: InputContainer) -> VideoStream | None:
    """The moving picture; a cover picture is none. Of a file with several programmes that of the sound's."""
    moving = [stream for stream in source.streams.video if not stream.disposition & Disposition.attached_pic]
    best = source.streams.best("video", related=sound_of(source))
    found = best if best in moving else moving[0] if moving else None
    return found if found is not None and found.codec_context and found.codec_context.width else None


def zero_of(source: InputContainer, track: int | None = None) -> float:
    """The timestamp, in seconds, that is 0:00 of the recording: where the first of picture and sound begins.

    Sound that begins a little earlier than the picture is the encoder's lead-in, and not heard.
    """
    sound_s, picture_s = _begins(sound_of(source, track)), _begins(picture_of(source))
    if sound_s is None or picture_s is None:
        found = picture_s if sound_s is None else sound_s
        return found if found is not None else (source.start_time or 0) / MICROSECONDS
    return picture_s if 0 <= picture_s - sound_s <= LEAD_IN_S else min(sound_s, picture_s)


def _begins(stream: Stream | None) -> float | None:
    if stream is None or stream.start_time is None or not stream.time_base:
        return None
    return float(stream.start_time * stream.time_base)


def duration_of(source: InputContainer) -> float | None:
    """The length the headers tell, in seconds; None when they tell none that can be believed."""
    if source.duration is None:
        return None
    seconds = source.duration / MICROSECONDS
    return round(seconds, 3) if 0 < seconds <= LONGEST_BELIEVED_S else None


def read_packets(source: InputContainer, streams: tuple[Stream, ...], put: Callable[[Packet[Stream]], None]) -> bool:
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
        self._throttle = Throttle(REPORT_EVERY_S)
        self._done = 0.0

    def at(self, seconds: float, pos: int | None) -> None:
        """Tell that `seconds` of the recording and `pos` bytes of the file are done."""
        if seconds > self._max_seconds:
            raise VideoSizeExceeded(f"The recording is longer than {self._max_seconds / 3600:g} hours.")
        if not self._throttle.is_due():
            return
        done = seconds / self._seconds if self._seconds else (pos or 0) / self._bytes
        self._done = max(self._done, min(done, 1.0)) if math.isfinite(done) else self._done
        self._progress(self._done)


def needed_sound(source: InputContainer, track: int | None = None) -> AudioStream:
    """The sound track. Raises UnsupportedFormat when there is none."""
    stream = sound_of(source, track)
    if stream is None:
        raise UnsupportedFormat("The recording has no sound.")
    return stream
