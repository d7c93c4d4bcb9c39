"""Writing one sound track into an mp4: copied packet by packet where it can be, encoded to AAC where it can't."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple, Protocol, cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

from shared.records import VideoPart
from workers.media.demux import LEAD_IN_S
from workers.media.sample_clock import SampleClock

COPIED_CODECS = frozenset({"aac", "alac", "mp3", "mp3float", "opus", "ac3", "eac3", "flac"})
FRAME_SIZES = (1024, 2048, 960, 1152, 576, 1536, 4096, 4608)  # samples; what codecs with fixed frames use
AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
AAC_BITS_PER_CHANNEL = 80_000
DEFAULT_RATE = 48_000
ADTS_HEADER_BYTES = 7


class Sound(NamedTuple):
    """The sound track as fetched: its real length and what the user should know about it.

    track: which of the recording's `tracks` it is, from 1.  parts: of a recording in several files.
    """

    duration_seconds: float
    warnings: tuple[str, ...] = ()
    track: int = 1
    tracks: int = 1
    parts: tuple[VideoPart, ...] = ()


class CannotCopy(Exception):
    """The packets can't be copied as they are; the message says why, for the user."""


class SoundTrack(Protocol):
    """Takes the demuxed packets of one sound stream and writes them to the output."""

    clock: SampleClock

    def put(self, packet: Packet[Stream]) -> None: ...

    def pad_to(self, seconds: float) -> None: ...

    def finish(self) -> None: ...

    def warnings(self) -> tuple[str, ...]: ...


class CopiedTrack:
    """Copies packets; gaps become silent AAC frames. Raises CannotCopy where only encoding keeps the timeline."""

    def __init__(self, output: OutputContainer, source: AudioStream, zero_s: float) -> None:
        if source.codec_context.name not in COPIED_CODECS:
            raise CannotCopy(f"{source.codec_context.name} does not fit into an m4a")
        self._rate = source.codec_context.sample_rate or DEFAULT_RATE
        self._time_base = Fraction(1, self._rate)
        self._grain = source.codec_context.frame_size or 1024
        self._output = output
        self._source = source
        self._stream = output.add_stream_from_template(source)
        self._scale = float(source.time_base or Fraction(1, 1000)) * self._rate
        self._zero = zero_s * self._rate
        # FLAC's headers are sent once more at the end, with the checksum: no change of coding.
        self._is_flac = source.codec_context.name == "flac"
        self._adts: bytes | None = None
        self._silent: bytes | None = None
        self.clock = SampleClock(self._rate, grain=self._grain)

    def put(self, packet: Packet[Stream]) -> None:
        if self.clock.position is None:
            self._adts = _adts_header(packet) if self._source.codec_context.name == "aac" else None
        elif not self._same_shape(packet):
            return
        if self.clock.position is not None and packet.has_sidedata("new_extradata") and not self._is_flac:
            raise CannotCopy("its coding changes on the way")
        at = None if packet.pts is None else round(packet.pts * self._scale - self._zero)
        length = self._length(packet)
        if packet.is_discard and at is not None and self._is_unheard(at + length):
            return
        placed = self.clock.place(at, length)
        if placed is None:
            return
        for start in range(placed.start - placed.gap, placed.start, self._grain):
            self._write(Packet(self._silence()), start, self._grain)
        self._write(packet, placed.start, length)

    def _is_unheard(self, end: int) -> bool:
        """Whether a packet that an edit list has cut away is more than the lead-in that decoders need."""
        return end < -LEAD_IN_S * self._rate or (self.clock.position or 0) > 0

    def _same_shape(self, packet: Packet[Stream]) -> bool:
        if self._adts is None:
            return True
        header = _adts_header(packet)
        if header is None:
            return False  # damaged: the gap it leaves is filled
        # Bytes 1-3 hold version, profile, rate and channels, beside bits of the frame's length.
        if header[2] != self._adts[2] or header[3] & 0xC0 != self._adts[3] & 0xC0:
            raise CannotCopy("its coding changes on the way")
        return True

    def _length(self, packet: Packet[Stream]) -> int:
        """The packet's samples: containers with coarse clocks round durations, codecs have fixed sizes."""
        declared = (packet.duration or 0) * self._scale
        if not declared:
            return self._grain
        tick = max(self._scale, 1.0)
        return next((size for size in (self._grain, *FRAME_SIZES) if abs(size - declared) <= tick), round(declared))

    def _silence(self) -> bytes:
        if self._silent is None:
            self._silent = self._make_silence()
        return self._silent

    def _make_silence(self) -> bytes:
        context = self._source.codec_context
        if context.name != "aac" or context.profile != "LC" or self._grain != 1024:
            raise CannotCopy("it has holes that have to be filled with silence")
        if self._adts is not None and not (self._adts[2] & 1 or self._adts[3] & 0xC0):
            raise CannotCopy("it has holes that have to be filled with silence")
        raw = silent_aac(self._rate, context.layout.name)
        return raw if self._adts is None else _with_length(self._adts, len(raw) + ADTS_HEADER_BYTES) + raw

    def _write(self, packet: Packet[Stream], start: int, length: int) -> None:
        packet.stream = self._stream
        packet.time_base = self._time_base
        packet.pts = packet.dts = start
        packet.duration = length
        self._output.mux_one(packet)

    def pad_to(self, seconds: float) -> None:
        """Silence up to `seconds`, where the end of the sound is missing."""
        placed = self.clock.place(round(seconds * self._rate), 0)
        if placed is not None:
            for start in range(placed.start - placed.gap, placed.start, self._grain):
                self._write(Packet(self._silence()), start, self._grain)

    def finish(self) -> None:
        """Nothing is held back."""

    def warnings(self) -> tuple[str, ...]:
        return self.clock.warnings()


class EncodedTrack:
    """Decodes and encodes to AAC; gaps become silence, undecodable packets too."""

    def __init__(self, output: OutputContainer, source: AudioStream, zero_s: float, reason: str) -> None:
        context = source.codec_context
        self._rate = context.sample_rate if context.sample_rate in AAC_RATES else DEFAULT_RATE
        self._layout = "mono" if context.channels == 1 else "stereo"
        self._output = output
        self._stream = output.add_stream("aac", rate=self._rate, layout=self._layout)
        self._stream.bit_rate = AAC_BITS_PER_CHANNEL * (1 if self._layout == "mono" else 2)
        self._zero = zero_s * self._rate
        self._reason = reason
        self._resampler: AudioResampler | None = None
        self._shape: tuple[str, str, int] | None = None
        self._damaged = 0
        self._written: int | None = None  # samples given to the encoder, from time 0
        self.clock = SampleClock(self._rate)

    def put(self, packet: Packet[Stream]) -> None:
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            self._damaged += 1
            return
        for frame in frames:
            self._put_frame(cast(AudioFrame, frame))

    def _put_frame(self, frame: AudioFrame) -> None:
        # frame.time is in the packet's clock; None where the packet had no timestamp.
        at = None if frame.time is None else round(frame.time * self._rate - self._zero)
        placed = self.clock.place(at, round(frame.samples * self._rate / frame.sample_rate))
        if placed is None:
            return
        if self._written is None:
            self._written = placed.start - placed.gap
        for samples in _blocks(placed.gap, self._rate):
            self._encode(self._silent_frame(samples))
        for converted in self._resample(frame):
            self._encode(converted)

    def _resample(self, frame: AudioFrame) -> list[AudioFrame]:
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        held = self._resampler.resample(None) if self._resampler and shape != self._shape else []
        if shape != self._shape:
            self._resampler = AudioResampler(format="fltp", layout=self._layout, rate=self._rate)
            self._shape = shape
        frame.pts = None
        return [*held, *(self._resampler.resample(frame) if self._resampler else [])]

    def _silent_frame(self, samples: int) -> AudioFrame:
        channels = 1 if self._layout == "mono" else 2
        frame = AudioFrame.from_ndarray(np.zeros((channels, samples), np.float32), "fltp", self._layout)
        frame.sample_rate = self._rate
        return frame

    def _encode(self, frame: AudioFrame | None) -> None:
        if frame is not None:
            frame.pts, frame.time_base = self._written, Fraction(1, self._rate)
            self._written = (self._written or 0) + frame.samples
        self._output.mux(self._stream.encode(frame))

    def pad_to(self, seconds: float) -> None:
        """Silence up to `seconds`, where the end of the sound is missing."""
        placed = self.clock.place(round(seconds * self._rate), 0)
        for samples in _blocks(placed.gap if placed else 0, self._rate):
            self._encode(self._silent_frame(samples))

    def finish(self) -> None:
        """Write what the decoder, the resampler and the encoder still hold."""
        if self._resampler is not None:
            for frame in self._resampler.resample(None):
                self._encode(frame)
        if self.clock.position is not None:
            self._encode(None)

    def warnings(self) -> tuple[str, ...]:
        damaged = (f"{self._damaged} damaged packets of sound became silence.",) if self._damaged else ()
        return (f"The sound was re-encoded to AAC: {self._reason}.", *damaged, *self.clock.warnings())


def _blocks(samples: int, size: int) -> Iterator[int]:
    while samples > 0:
        yield min(samples, size)
        samples -= size


def _adts_header(packet: Packet[Stream]) -> bytes | None:
    """The ADTS header at the packet's start, None when it has none."""
    head = bytes(memoryview(packet)[:ADTS_HEADER_BYTES])
    is_adts = len(head) == ADTS_HEADER_BYTES and head[0] == 0xFF and head[1] & 0xF6 == 0xF0
    return head if is_adts else None


def _with_length(header: bytes, frame_bytes: int) -> bytes:
    """`header` for a frame of `frame_bytes`, without checksum (ISO/IEC 13818-7, 6.2)."""
    return bytes(
        (
            0xFF,
            header[1] | 1,
            header[2],
            header[3] & 0xFC | frame_bytes >> 11,
            frame_bytes >> 3 & 0xFF,
            (frame_bytes & 7) << 5 | 0x1F,
            0xFC,
        )
    )


def silent_aac(rate: int, layout: str) -> bytes:
    """One AAC-LC frame (1024 samples) of silence, without header."""
    encoder = av.CodecContext.create("aac", "w")
    encoder.sample_rate = rate
    encoder.layout = layout
    encoder.format = "fltp"
    encoder.time_base = Fraction(1, rate)
    frame = AudioFrame.from_ndarray(
        np.zeros((encoder.layout.nb_channels, 1024), np.float32), format="fltp", layout=layout
    )
    frame.sample_rate = rate
    packets = [*encoder.encode(frame), *encoder.encode(frame), *encoder.encode(frame)]
    return bytes(packets[-1])
