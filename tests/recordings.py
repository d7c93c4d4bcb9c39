"""Recordings for the tests, made on the spot with ffmpeg."""

import subprocess
from functools import lru_cache
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt

DATA = Path(__file__).parent / "data"
SPEECH = DATA / "speech_en.m4a"
SPEECH_TEXT = DATA / "speech_en.txt"
SPANISH = DATA / "speech_es.m4a"

PICTURE = ("-f", "lavfi", "-i", "testsrc=s=160x90:r=25")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25")
AAC = ("-c:a", "aac", "-b:a", "96k")


@lru_cache
def _ffmpeg() -> str:
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def ffmpeg(*arguments: str | Path) -> None:
    """Run ffmpeg; it has to succeed."""
    subprocess.run([_ffmpeg(), "-v", "error", "-y", *map(str, arguments)], check=True, timeout=60)


def tone(hertz: int = 440, *, rate: int = 48000) -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"sine={hertz}:r={rate}")


def recording(path: Path, *codecs: str, seconds: float = 6.0) -> Path:
    """A test picture with a tone; codecs H.264 and AAC unless told."""
    ffmpeg(*PICTURE, *tone(), "-t", str(seconds), *(codecs or (*H264, *AAC)), path)
    return path


def loudness(path: Path) -> npt.NDArray[np.float64]:
    """RMS of each 10 ms of the sound as a plain decoder gives it, timestamps not looked at. Shape (hundredths,)."""
    with av.open(str(path)) as source:
        rate = source.streams.audio[0].codec_context.sample_rate
        to_float = av.AudioResampler(format="flt", layout="mono", rate=rate)
        blocks = [out.to_ndarray()[0] for frame in source.decode(audio=0) for out in to_float.resample(frame)]
    samples = np.concatenate(blocks)
    step = rate // 100
    grid = samples[: len(samples) // step * step].reshape(-1, step).astype(np.float64)
    return np.asarray(np.sqrt(np.square(grid).mean(axis=1)))


def first_sound_s(path: Path) -> float:
    """When the sound is first heard, in seconds."""
    return float(np.argmax(loudness(path) > 0.02)) / 100
