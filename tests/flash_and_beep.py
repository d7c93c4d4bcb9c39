"""Recordings that flash and beep each second, and what a clip of them shows and sounds like, when."""

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from tests.recordings import ffmpeg

Floats = npt.NDArray[np.float64]

FLASH_S = 0.1
SHADES = 40  # of grey between the flashes, one a second, so that a picture tells its second
SHADE = "30+4*mod(floor(T+0.0001),40)"
PICTURE = f"geq=lum='if(lt(mod(T+0.0001,1),{FLASH_S}),235,{SHADE})':cb=128:cr=128"
# A frame is left out now and then, and a few in a row, as screen recorders do.
VARIABLE = "select='not(eq(mod(n,7),3))*not(between(mod(n,53),20,24))'"
HERTZ = (600, 1100, 2000)  # of the sound tracks

H264 = ("-c:v", "libx264", "-preset", "veryfast", "-threads", "2")
VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-threads", "2")
AAC = ("-c:a", "aac", "-b:a", "64k")
OPUS = ("-c:a", "libopus", "-b:a", "48k")
MUXERS: dict[str, tuple[str, ...]] = {
    "mp4": (*H264, *AAC),
    "mov": (*H264, *AAC),
    "mkv": (*H264, *AAC),
    "ts": (*H264, *AAC),
    "m2ts": (*H264, *AAC, "-f", "mpegts", "-mpegts_m2ts_mode", "1"),
    "flv": (*H264, *AAC),
    "webm": (*VP9, *OPUS),
}
RATES = {"23.976": "24000/1001", "25": "25", "29.97": "30000/1001", "59.94": "60000/1001", "vfr": "60"}


def make(path: Path, *, rate: str, key_s: float, sounds: int = 1, seconds: float = 19.0, size: str = "64x36") -> Path:
    """A recording of the kind its name ends with.  rate: a key of RATES.  key_s: between two key frames."""
    frames = RATES[rate]
    picture = f"{PICTURE},{VARIABLE}" if rate == "vfr" else PICTURE
    beeps = [f"aevalsrc='0.5*sin(2*PI*{hertz}*t)*lt(mod(t,1),{FLASH_S})':s=48000" for hertz in HERTZ[:sounds]]
    inputs = [f"color=black:s={size}:r={frames}", *beeps]
    ffmpeg(
        *(word for source in inputs for word in ("-f", "lavfi", "-i", source)),
        *(word for index in range(len(inputs)) for word in ("-map", str(index))),
        "-vf", picture, "-fps_mode", "vfr" if rate == "vfr" else "cfr", "-t", str(seconds),
        # Key frames by time, since ffmpeg counts -g in pictures.
        "-g", "9999", "-keyint_min", "1", "-force_key_frames", f"expr:gte(t,n_forced*{key_s})",
        *MUXERS[path.suffix[1:]], path,
    )  # fmt: skip
    return path


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A clip as it plays.  times, greys: shape (pictures,), s and 0-255.  tones: shape (tracks, ms), loudness of each
    of HERTZ by the millisecond.  ends_s: of the picture and of the sound."""

    times: Floats
    greys: Floats
    tones: Floats
    ends_s: tuple[float, float]
    sounds: int

    def flashes(self) -> Floats:
        """When the picture turns white, in seconds."""
        white = self.greys > 215
        return self.times[1:][white[1:] & ~white[:-1]]

    def beeps(self, track: int) -> Floats:
        """When the beep of a track begins, in seconds."""
        loud = self.tones[track] > 0.5 * max(self.tones[track].max(), 0.05)
        return np.flatnonzero(loud[1:] & ~loud[:-1]) / 1000 + 0.001

    def loudest(self) -> int:
        return int(np.argmax(self.tones.max(axis=1)))

    def second_at(self, time_s: float) -> int:
        """Which second of the recording (modulo SHADES) the picture at `time_s` shows; -1 in a flash."""
        grey = self.greys[max(int(np.searchsorted(self.times, time_s + 1e-6, side="right")) - 1, 0)]
        return -1 if grey > 215 else round((grey - 30) / 4)


def look_at(clip: Path) -> Seen:
    times, greys = [], []
    with av.open(str(clip)) as container:
        picture = container.streams.video[0]
        for frame in container.decode(picture):
            times.append(float(frame.time or 0))
            greys.append(float(frame.to_ndarray(format="yuv420p")[: frame.height].mean()))
        lasts_s = float(frame.duration * (frame.time_base or 0))
        sounds = len(container.streams.audio)
    samples, sound_end_s = _samples(clip)
    return Seen(
        times=np.array(times),
        greys=np.array(greys),
        tones=np.stack([_tone(samples, hertz) for hertz in HERTZ]),
        ends_s=(times[-1] + lasts_s, sound_end_s),
        sounds=sounds,
    )


def _samples(clip: Path) -> tuple[Floats, float]:
    """Mono at 48 kHz from time 0 on, and when it ends."""
    found = np.zeros(0)
    with av.open(str(clip)) as container:
        if not container.streams.audio:
            return found, 0.0
        resampler = av.AudioResampler(format="flt", layout="mono", rate=48000)
        for frame in container.decode(audio=0):
            at = round(float(frame.time or 0) * 48000)
            for part in resampler.resample(frame):
                block = part.to_ndarray()[0][max(-at, 0) :]
                found = np.concatenate((found[: max(at, 0)], np.zeros(max(at - len(found), 0)), block))
                at += part.samples
        return found, len(found) / 48000


def _tone(samples: Floats, hertz: int) -> Floats:
    """Loudness of one tone, over windows of 5 ms, each millisecond."""
    if not len(samples):
        return np.zeros(1)
    turning = samples * np.exp(-2j * np.pi * hertz * np.arange(len(samples)) / 48000)
    window = np.ones(240) / 240
    return np.abs(np.convolve(turning, window, mode="same"))[::48] * 2
