"""Reading the sound track as samples, any part of it, at its true time."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.container import InputContainer

from shared.errors import UnsupportedFormat
from shared.net.edges import converted

RATE = 16_000  # samples a second; what speech models hear
LEAD_IN_S = 0.5  # decoded before the wanted part: decoders need some packets to settle
JITTER_SAMPLES = RATE // 20  # a smaller difference between timestamps and samples is rounding
MICROSECONDS = 1_000_000

Samples = npt.NDArray[np.float32]


def duration_s(audio: Path) -> float:
    """How long the sound track (the m4a of the download stage) is. Raises UnsupportedFormat."""
    with _opened(audio) as source:
        stream = source.streams.audio[0]
        if stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        if source.duration:
            return source.duration / MICROSECONDS
    raise UnsupportedFormat("The sound track does not tell how long it is.")


def read_samples(audio: Path, start_s: float, end_s: float) -> Samples:
    """The sound from start_s to end_s: shape (samples,), mono, 16 kHz, -1..1; zeros where there is none.

    Memory is that of the part, not of the file. Raises UnsupportedFormat when the file can't be read.
    """
    first = round(start_s * RATE)
    samples = np.zeros(max(round(end_s * RATE) - first, 0), np.float32)
    with _opened(audio) as source:
        if start_s > LEAD_IN_S:
            source.seek(int((start_s - LEAD_IN_S) * MICROSECONDS))
        for at, block in _blocks(source):
            offset = at - first
            if offset >= len(samples):
                break
            into = slice(max(offset, 0), min(offset + len(block), len(samples)))
            if into.stop > into.start:
                samples[into] = block[into.start - offset : into.stop - offset]
    return samples


def _blocks(source: InputContainer) -> Iterator[tuple[int, Samples]]:
    """Decoded sound with the index of its first sample; damaged packets are left out."""
    resampler = AudioResampler(format="flt", layout="mono", rate=RATE)
    position: int | None = None
    for frame in _frames(source):
        declared = position if frame.time is None else round(frame.time * RATE)
        if position is None or (declared is not None and abs(declared - position) > JITTER_SAMPLES):
            position = declared or 0
        frame.pts = None
        for part in resampler.resample(frame):
            block = part.to_ndarray().reshape(-1).astype(np.float32, copy=False)
            yield position, block
            position += len(block)


def _frames(source: InputContainer) -> Iterator[AudioFrame]:
    for packet in source.demux(source.streams.audio[0]):
        with suppress(av.error.InvalidDataError):
            yield from packet.decode()


@contextmanager
def _opened(audio: Path) -> Iterator[InputContainer]:
    damaged = "The sound track is damaged and can't be read."
    with (
        converted(av.FFmpegError, into=lambda _error: UnsupportedFormat(damaged)),
        av.open(f"file:{audio}", format="mov", metadata_errors="ignore") as source,
    ):
        if not source.streams.audio:
            raise UnsupportedFormat("There is no sound in the sound track.")
        yield source
