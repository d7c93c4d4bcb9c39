"""Files after another on one timeline: their sound to the sample, their pictures as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from shared.errors import UnsupportedFormat
from shared.progress import Progress
from workers.media.audio_track import AAC_BITS_PER_CHANNEL, AAC_RATES, DEFAULT_RATE
from workers.media.demux import mp4_output, needed_sound, picture_of, read_packets
from workers.media.demuxers import open_media
from workers.media.video_track import COPIED_CODECS, CopiedPicture

JITTER_S = 0.05  # a smaller step of the timestamps is rounding

Samples = npt.NDArray[np.float32]


class SoundPiece(NamedTuple):
    """An m4a or mp4 whose sound from time 0 on fills `seconds` of the timeline."""

    path: Path
    seconds: float


class PicturePiece(NamedTuple):
    """A file whose timestamp 0 is `zero_at_s` of the timeline."""

    path: Path
    zero_at_s: float


def join_sound(pieces: Sequence[SoundPiece], into: Path, *, progress: Progress) -> None:
    """Write the sound of all pieces to `into` (m4a, AAC), each where the ones before end, whatever its rate is.

    What is too short is filled with silence, what is too long is cut off.  Raises UnsupportedFormat,
    InsufficientStorage.
    """
    rate, layout = _common(pieces)
    with mp4_output(into) as output:
        stream = output.add_stream("aac", rate=rate, layout=layout)
        stream.bit_rate = AAC_BITS_PER_CHANNEL * stream.codec_context.channels
        begins_s, written = 0.0, 0
        for index, piece in enumerate(pieces):
            begins_s += piece.seconds
            for samples in _exactly(piece.path, round(begins_s * rate) - written, rate, layout):
                frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples), "fltp", layout)
                frame.sample_rate, frame.pts, frame.time_base = rate, written, Fraction(1, rate)
                written += frame.samples
                output.mux(stream.encode(frame))
                progress((index + 0.5) / len(pieces))
        output.mux(stream.encode(None))


def _common(pieces: Sequence[SoundPiece]) -> tuple[int, str]:
    """The first piece's rate, where AAC knows it, and as many channels as any piece has, two at most."""
    contexts = []
    for piece in pieces:
        with open_media(piece.path) as source:
            context = needed_sound(source).codec_context
            contexts.append((context.sample_rate, context.channels))
    rate = contexts[0][0] if contexts[0][0] in AAC_RATES else DEFAULT_RATE
    return rate, "mono" if all(channels == 1 for _, channels in contexts) else "stereo"


def _exactly(path: Path, wanted: int, rate: int, layout: str) -> Iterator[Samples]:
    """So many samples of the sound, in blocks of shape (channels, samples)."""
    at, channels = 0, 1 if layout == "mono" else 2
    for begins, block in _placed(path, rate, layout):
        for gap in _silence(min(begins, wanted) - at, channels, rate):
            yield gap
            at += gap.shape[1]
        kept = block[:, max(at - begins, 0) : max(wanted - begins, 0)]
        if kept.shape[1]:
            yield kept
            at += kept.shape[1]
        if at >= wanted:
            return
    yield from _silence(wanted - at, channels, rate)


def _silence(samples: int, channels: int, rate: int) -> Iterator[Samples]:
    while samples > 0:
        yield np.zeros((channels, min(samples, rate)), np.float32)
        samples -= rate


def _placed(path: Path, rate: int, layout: str) -> Iterator[tuple[int, Samples]]:
    """Decoded blocks, each with the place of its first sample."""
    with open_media(path) as source:
        resampler = AudioResampler(format="fltp", layout=layout, rate=rate)
        place: int | None = None
        for frame in _frames(source):
            declared = place if frame.time is None else round(frame.time * rate)
            if place is None or (declared is not None and abs(declared - place) > JITTER_S * rate):
                place = declared or 0
            frame.pts = None
            for part in resampler.resample(frame):
                yield place, np.asarray(part.to_ndarray(), np.float32)
                place += part.samples
        for part in resampler.resample(None) if place is not None else ():
            yield place or 0, np.asarray(part.to_ndarray(), np.float32)


def _frames(source: InputContainer) -> Iterator[AudioFrame]:
    for packet in source.demux(needed_sound(source)):
        try:
            yield from packet.decode()
        except av.error.InvalidDataError:
            continue  # its place stays silent


def can_be_copied(paths: Sequence[Path]) -> bool:
    """Whether the pictures of all files are coded alike, in a codec that an mp4 can hold."""
    return len({_coding(path) for path in paths}) == 1 and _coding(paths[0])[0] in COPIED_CODECS


def _coding(path: Path) -> tuple[object, ...]:
    with open_media(path) as source:
        picture = _needed_picture(source)
        context = picture.codec_context
        shape = context.width, context.height, picture.sample_aspect_ratio, context.pix_fmt
        return context.name, context.extradata, *shape


def _needed_picture(source: InputContainer) -> VideoStream:
    picture = picture_of(source)
    if picture is None:
        raise UnsupportedFormat("The recording has no picture.")
    return picture


def join_pictures(pieces: Sequence[PicturePiece], sound: Path, into: Path, *, progress: Progress) -> None:
    """Write the pictures of all pieces, which are coded alike, and the sound of an m4a to `into` (mp4).

    Nothing is encoded anew.  Raises UnsupportedFormat, InsufficientStorage.
    """
    sizes = [piece.path.stat().st_size for piece in pieces]
    with ExitStack() as first, mp4_output(into) as output:
        kept = first.enter_context(open_media(pieces[0].path))  # the track is made of its stream
        template = _needed_picture(kept)
        track = CopiedPicture(output, template, 0.0)
        base = template.time_base or Fraction(1, 90_000)
        listening = first.enter_context(open_media(sound))
        heard = _Sound(listening, needed_sound(listening), output)
        for index, piece in enumerate(pieces):
            with open_media(piece.path) as source:

                def put(packet: Packet[Stream], piece: PicturePiece = piece, done: int = sum(sizes[:index])) -> None:
                    position = packet.pos or 0
                    _move(packet, piece.zero_at_s, base)
                    heard.write_up_to(float((packet.dts or 0) * base))
                    track.put(packet)
                    progress(min((done + position) / max(sum(sizes), 1), 1.0))

                read_packets(source, (_needed_picture(source),), put)
        heard.write_up_to(None)


class _Sound:
    """The packets of a sound file, written as the pictures of the same time are."""

    def __init__(self, source: InputContainer, stream: Stream, output: OutputContainer) -> None:
        self._output = output
        self._stream = output.add_stream_from_template(stream)
        self._packets = (packet for packet in source.demux(stream) if packet.size and packet.pts is not None)
        self._next = next(self._packets, None)

    def write_up_to(self, seconds: float | None) -> None:
        """None: to the end."""
        while self._next is not None and (seconds is None or _at_s(self._next) <= seconds):
            self._next.stream = self._stream
            self._output.mux_one(self._next)
            self._next = next(self._packets, None)


def _at_s(packet: Packet[Stream]) -> float:
    return float((packet.pts or 0) * packet.time_base)


def _move(packet: Packet[Stream], later_s: float, base: Fraction) -> None:
    """Put the packet so much later, in the clock `base`."""
    ticks, later = Fraction(packet.time_base or base) / base, round(later_s / base)
    packet.pts = None if packet.pts is None else round(packet.pts * ticks) + later
    packet.dts = None if packet.dts is None else round(packet.dts * ticks) + later
    packet.duration = round((packet.duration or 0) * ticks)
    packet.time_base = base
