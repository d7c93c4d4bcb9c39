"""The sound track as 16 kHz mono blocks, decoded in pieces by two threads (PyAV lets go of the interpreter lock)."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from shared.errors import UnsupportedFormat
from shared.progress import Progress

RATE_HZ = 16_000
PIECE_S = 900  # pieces are of one length whatever the machine, so that results are the same everywhere
_THREADS = 2
_PRE_ROLL_S = 0.5  # decoders need a few frames before they are exact
_BLOCK_S = 10
_DEMUXERS = "mov,mp4,m4a,3gp,3g2,mj2;matroska,webm;mpegts;flv;mp3;wav;ogg;aac;flac"

Samples = NDArray[np.float32]
# Called with the first sample's place in the recording, in samples, and the samples.
Take = Callable[[int, Samples], None]


def decode(audio: Path, *, duration_s: float, take: Take, progress: Progress) -> None:
    """Hand every block of `audio` up to `duration_s` to `take`, from two threads, each block once.

    Raises UnsupportedFormat when the file can't be read or has no sound.
    """
    stop = threading.Event()
    done = [0.0]
    pieces = [
        (start, min(start + PIECE_S, duration_s)) for start in range(0, max(1, int(np.ceil(duration_s))), PIECE_S)
    ]

    def work(piece: tuple[float, float]) -> None:
        for at, samples in _blocks(audio, *piece):
            if stop.is_set():
                return
            take(at, samples)
            done[0] += len(samples) / RATE_HZ

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


def _blocks(audio: Path, start_s: float, end_s: float) -> Iterator[tuple[int, Samples]]:
    """Blocks of [start_s, end_s), placed by the file's own time stamps."""
    try:
        with av.open(str(audio), options={"protocol_whitelist": "file"}) as container:
            if container.format.name not in _DEMUXERS.split(";"):
                raise UnsupportedFormat("The sound track is in a container that is not supported.")
            if not container.streams.audio:
                raise UnsupportedFormat("The recording has no sound.")
            yield from _decoded(container, start_s, end_s)
    except (av.error.FFmpegError, OSError) as error:
        raise UnsupportedFormat("The sound track can't be read.") from error


def _decoded(container: av.container.InputContainer, start_s: float, end_s: float) -> Iterator[tuple[int, Samples]]:
    stream = container.streams.audio[0]
    base = stream.time_base or Fraction(1, 1000)
    first = float(stream.start_time * base) if stream.start_time and stream.start_time > 0 else 0.0
    if start_s > 0:
        container.seek(int((start_s - _PRE_ROLL_S + first) / base), stream=stream)
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE_HZ)
    gather: list[Samples] = []
    held, place = 0, -1
    begin, finish = round(start_s * RATE_HZ), round(end_s * RATE_HZ)
    for frame in _frames(container, stream):
        if frame.pts is None:
            continue
        now = round((float(frame.pts * (frame.time_base or base)) - first) * RATE_HZ)
        expected = place + held
        # A gap or a jump in the time stamps starts a new block where the file says it belongs.
        if place < 0 or abs(now - expected) > RATE_HZ // 5:
            yield from _cut(place, gather, begin, finish)
            gather, held, place = [], 0, max(0, now)
        if place + held >= finish:
            break
        for out in resampler.resample(frame):
            samples = out.to_ndarray()[0]
            gather.append(samples)
            held += len(samples)
        if held >= _BLOCK_S * RATE_HZ:
            yield from _cut(place, gather, begin, finish)
            gather, held, place = [], 0, place + held
    yield from _cut(place, gather, begin, finish)


def _frames(container: av.container.InputContainer, stream: av.AudioStream) -> Iterator[av.AudioFrame]:
    """Decoded frames; a packet that can't be decoded is silence, not the end of the recording."""
    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except av.error.InvalidDataError:
            continue


def _cut(place: int, gather: list[Samples], begin: int, finish: int) -> Iterator[tuple[int, Samples]]:
    if not gather:
        return
    samples = np.concatenate(gather)
    low, high = max(0, begin - place), min(len(samples), finish - place)
    if high > low:
        yield place + low, samples[low:high]
