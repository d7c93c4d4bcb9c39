"""Writing one picture track into an mp4: copied where mp4 can hold it, encoded to H.264 where it can't."""

from __future__ import annotations

from fractions import Fraction
from typing import Protocol, cast

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from workers.media.sample_clock import LONGEST_GAP_S, LONGEST_OVERLAP_S

COPIED_CODECS = frozenset({"h264", "hevc", "av1", "libdav1d", "vp9", "libvpx-vp9", "mpeg4"})
CLOCK_HZ = 90_000
MOST_HELD = 32  # packets without decoding time; codecs reorder 16 pictures at most
ENCODER_OPTIONS = {"preset": "veryfast", "crf": "23"}


class PictureTrack(Protocol):
    """Takes the demuxed packets of one picture stream and writes them to the output."""

    def put(self, packet: Packet[Stream]) -> None: ...

    def finish(self) -> None: ...


def picture_track(output: OutputContainer, source: VideoStream, zero_s: float) -> PictureTrack:
    """The track that keeps the picture as it is, if mp4 can hold it."""
    copied = source.codec_context.name in COPIED_CODECS
    return CopiedPicture(output, source, zero_s) if copied else EncodedPicture(output, source, zero_s)


class CopiedPicture:
    """Copies packets; decoding times made strictly rising, clock jumps taken out."""

    def __init__(self, output: OutputContainer, source: VideoStream, zero_s: float) -> None:
        self._output = output
        self._stream = output.add_stream_from_template(source)
        self._time_base = source.time_base or Fraction(1, CLOCK_HZ)
        self._shift = -round(zero_s / self._time_base)
        self._last: int | None = None
        self._last_length = 1
        self._held: list[Packet[Stream]] = []

    def put(self, packet: Packet[Stream]) -> None:
        """Matroska has no decoding times: those of the first pictures are counted back from the first that is known."""
        if packet.size == 0:
            return
        self._held.append(packet)
        if packet.dts is not None:
            self._write_held(packet.dts)
        elif len(self._held) == MOST_HELD:
            self._write_held(None)

    def _write_held(self, last_dts: int | None) -> None:
        dts = last_dts
        for packet in reversed(self._held[:-1] if last_dts is not None else ()):
            dts = (dts or 0) - (packet.duration or 1)
            packet.dts = dts
        for packet in self._held:
            self._write(packet)
        self._held.clear()

    def _write(self, packet: Packet[Stream]) -> None:
        dts = packet.dts if packet.dts is not None else packet.pts
        if dts is None:
            return
        pts = packet.pts if packet.pts is not None else dts
        expected = None if self._last is None else self._last + self._last_length
        if expected is not None:
            step_s = float((dts + self._shift - expected) * self._time_base)
            if step_s > LONGEST_GAP_S or step_s < -LONGEST_OVERLAP_S:
                self._shift = expected - dts
        placed = dts + self._shift
        if self._last is not None and placed <= self._last:
            placed = self._last + 1
        packet.stream = self._stream
        packet.time_base = self._time_base
        packet.dts, packet.pts = placed, max(pts + self._shift, placed)
        self._last, self._last_length = placed, packet.duration or 1
        self._output.mux_one(packet)

    def finish(self) -> None:
        """Write what is held back."""
        self._write_held(None)


class EncodedPicture:
    """Decodes and encodes to H.264; undecodable packets are left out."""

    def __init__(self, output: OutputContainer, source: VideoStream, zero_s: float) -> None:
        self._output = output
        self._zero_s = zero_s
        context = source.codec_context
        self._stream = output.add_stream("libx264", rate=source.average_rate or 30, options=ENCODER_OPTIONS)
        # 4:2:0 needs even sizes.
        self._stream.width, self._stream.height = context.width & ~1, context.height & ~1
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, CLOCK_HZ)
        self._last = -1

    def put(self, packet: Packet[Stream]) -> None:
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            return
        for frame in frames:
            self._put_frame(cast(VideoFrame, frame))

    def _put_frame(self, frame: VideoFrame) -> None:
        # frame.time is None where the packet had no timestamp.
        pts = self._last if frame.time is None else round((frame.time - self._zero_s) * CLOCK_HZ)
        if pts <= self._last:
            return
        self._last = pts
        even = frame.reformat(self._stream.width, self._stream.height, "yuv420p")
        even.pts, even.time_base = pts, Fraction(1, CLOCK_HZ)
        self._output.mux(self._stream.encode(even))

    def finish(self) -> None:
        """Write what the encoder still holds."""
        if self._last >= 0:
            self._output.mux(self._stream.encode(None))
