"""The sound track as mono blocks, decoded in halves by two threads (PyAV lets go of the interpreter lock)."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from shared.errors import UnsupportedFormat
from shared.net.edges import converted
from shared.progress import Progress

_LOWEST_HZ, _HIGHEST_HZ = 8_000, 48_000
_THREADS = 2
_HALVED_UP_TO_S = 12 * 3600
_PRE_ROLL_S = 0.5  # decoders need a few frames before they are exact
_BLOCK_S = 10
_DEMUXERS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "mpegts", "flv", "mp3", "wav", "ogg", "aac", "flac")

Samples = NDArray[np.float32]
# Called with the first sample's place in the recording, in samples, and the samples.
Take = Callable[[int, Samples], None]


def decode(audio: Path, *, rate: int, duration_s: float, take: Take, progress: Progress) -> None:
    """Hand every block of `audio` up to `duration_s` to `take`, from two threads, each block once.

    rate: what `sample_rate` says.

    Raises UnsupportedFormat when the file can't be read or has no sound.
    """
    stop = threading.Event()
    done = [0.0]
    # Every piece reads the file's index again: 12 MB an hour of sound. Long recordings stay in bounds as one piece.
    middle = float(int(duration_s / _THREADS))
    halves = middle > 0 and duration_s <= _HALVED_UP_TO_S
    pieces = [(0.0, middle), (middle, duration_s)] if halves else [(0.0, duration_s)]

    def work(piece: tuple[float, float]) -> None:
        for at, samples in _blocks(audio, rate, *piece):
            if stop.is_set():
                return
            take(at, samples)
            done[0] += len(samples) / rate

    with ThreadPoolExecutor(_THREADS) as pool:
        running = [pool.submit(work, piece) for piece in pieces]
        try:
            _watch(running, lambda: progress(min(1.0, done[0] / duration_s)))
        finally:
            stop.set()
            for future in running:
                future.cancel()


def _watch(running: list[Future[None]], tell: Callable[[], None]) -> None:
    waiting: set[Future[None]] = set(running)
    while waiting:
        finished, waiting = wait(waiting, timeout=0.5, return_when=FIRST_EXCEPTION)
        for future in finished:
            future.result()
        tell()


def sample_rate(audio: Path) -> int:
    """The rate `decode` gives samples at: the file's own where 50 ms are whole samples, else 48 kHz.

    Raises UnsupportedFormat when the file can't be read or has no sound.
    """
    with _opened(audio) as container:
        rate = int(container.streams.audio[0].rate or 0)
    return rate if _LOWEST_HZ <= rate <= _HIGHEST_HZ and rate % 20 == 0 else _HIGHEST_HZ


@contextmanager
def _opened(audio: Path) -> Iterator[av.container.InputContainer]:
    with (
        converted(av.FFmpegError, into=lambda _error: UnsupportedFormat("The sound track can't be read.")),
        av.open(str(audio), options={"protocol_whitelist": "file"}) as container,
    ):
        if container.format.name not in _DEMUXERS:
            raise UnsupportedFormat("The sound track is in a container that is not supported.")
        if not container.streams.audio:
            raise UnsupportedFormat("The recording has no sound.")
        yield container


def _blocks(audio: Path, rate: int, start_s: float, end_s: float) -> Iterator[tuple[int, Samples]]:
    """Blocks of [start_s, end_s), placed by the file's own time stamps."""
    begin, finish = round(start_s * rate), round(end_s * rate)
    with _opened(audio) as container:
        stream = container.streams.audio[0]
        base = float(stream.time_base or 1e-3)
        first = (stream.start_time or 0) * base
        if start_s > 0:
            container.seek(int((start_s - _PRE_ROLL_S + first) / base), stream=stream)
        gather: list[Samples] = []
        held, place = 0, -1
        for at, samples in _frames(container, stream, rate, base):
            now = round((at - first) * rate)
            # A gap or a jump in the time stamps starts a new block where the file says it belongs.
            jump = place < 0 or abs(now - place - held) > rate // 5
            if jump:
                yield from _cut(place, gather, begin, finish)
                gather, place, held = [], max(0, now), 0
            elif held >= _BLOCK_S * rate:
                # Whole frames of 50 ms only, so that none falls between two blocks.
                rest = (place + held) % (rate // 20)
                whole = np.concatenate(gather, axis=1)
                yield from _cut(place, [whole[:, : held - rest]], begin, finish)
                gather, place, held = [whole[:, held - rest :]], place + held - rest, rest
            if place >= finish:
                break
            gather.append(samples)
            held += samples.shape[1]
        yield from _cut(place, gather, begin, finish)


def _frames(
    container: av.container.InputContainer, stream: av.AudioStream, rate: int, base: float
) -> Iterator[tuple[float, Samples]]:  # fmt: skip
    """Seconds and samples, shape (channels, samples), of every frame; what can't be decoded is left out."""
    layout = stream.layout.name or "stereo"
    resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)
    usual = (rate, "fltp", layout)
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            continue
        for frame in frames:
            if frame.pts is None:
                continue
            # Copying a plain frame is twice as fast as sending it through the resampler.
            same = (frame.sample_rate, frame.format.name, frame.layout.name) == usual
            for part in (frame,) if same else resampler.resample(frame):
                yield frame.pts * base, np.asarray(part.to_ndarray(), dtype=np.float32)


def _cut(place: int, gather: list[Samples], begin: int, finish: int) -> Iterator[tuple[int, Samples]]:
    if not gather:
        return
    samples = np.concatenate(gather, axis=1).mean(axis=0)
    low, high = max(0, begin - place), min(len(samples), finish - place)
    if high > low:
        yield place + low, samples[low:high]
