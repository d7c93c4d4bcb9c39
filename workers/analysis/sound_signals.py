"""Sound on the 1 s grid: loudness, silence, the voice apart from the rest, laughter-like pulsing; and the waveform."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.progress import Progress, silent
from workers.analysis.laughter import laughter
from workers.analysis.stats import Floats, median_known
from workers.analysis.voice_activity import VOICE_PROBABILITY, VoiceActivity, VoiceFrames, voice_model
from workers.media.decode import Samples, decode, sample_rate

WAVEFORM_POINTS = 20_000
SILENCE_LUFS = -60.0
_FRAMES_S = 20
_TAPER_SHARE = 0.1  # of a frame, at each end
_MOMENTARY_FRAMES = 8  # 400 ms, EBU R128 (EBU Tech 3341)
_LUFS_OFFSET = -0.691  # ITU-R BS.1770-4
_MOST = 4.0  # of full scale: sound in floats may pass it
_LEAST_VOICE_FRAMES = 4  # of the 20 in a second, for it to have a voice's loudness and pitch


class Voice(NamedTuple):
    """Per second, shape (seconds,). share: of the second with a voice, 0-1; NaN where there is no sound data.

    loudness: LUFS of its frames that have a voice with a pitch, so that an explosion beside it counts for nothing.
    pitch: Hz, median.  Both NaN where there are too few such frames.  laughter: 0-1, how evenly the voice pulses.
    """

    share: Floats
    loudness: Floats
    pitch: Floats
    laughter: Floats


class SoundGrid(NamedTuple):
    """Per second, shape (seconds,); NaN where the recording has no sound data.

    loudness: loudest EBU R128 momentary loudness of the downmix, LUFS, at least SILENCE_LUFS.  brightness: share of the
    energy above 1 kHz, 0-1: voices brighten when they shout.  quiet: shape (seconds * 20,), True for 50 ms frames that
    are silent against their surroundings.  voice: None where it can't be told from the rest.
    """

    loudness: Floats
    brightness: Floats
    quiet: NDArray[np.bool_]
    waveform: Floats
    voice: Voice | None


def sound_grid(audio: Path, *, duration_s: float, progress: Progress = silent) -> SoundGrid:
    """Everything the sound tells, second by second. Raises UnsupportedFormat when it can't be read."""
    seconds = max(1, int(np.ceil(duration_s)))
    rate = sample_rate(audio)
    frames = _Frames(seconds, duration_s, rate)
    model = voice_model()
    voices = VoiceActivity(model, seconds=seconds, rate=rate) if model else None

    def take(place: int, samples: Samples) -> None:
        # What is no number in a damaged file would stay in every running sum and in the model's state.
        samples = np.clip(np.nan_to_num(samples), -_MOST, _MOST)
        frames.take(place, samples)
        if voices:
            voices.take(place, samples)

    decode(audio, rate=rate, duration_s=duration_s, take=take, progress=progress)
    return frames.grid(voices.frames() if voices else None)


class _Frames:
    """Energy of every 50 ms frame. Blocks come from two threads, which never write the same frame."""

    def __init__(self, seconds: int, duration_s: float, rate: int) -> None:
        self._seconds = seconds
        count = seconds * _FRAMES_S
        self._power = np.full(count, np.nan, dtype=np.float32)  # K-weighted mean square
        self._bright = np.zeros(count, dtype=np.float32)
        self._waveform = np.zeros(WAVEFORM_POINTS)
        self._per_point = max(1e-9, duration_s * rate / WAVEFORM_POINTS)
        self._hop = hop = rate // _FRAMES_S
        hz = np.fft.rfftfreq(hop, 1 / rate).astype(np.float64)
        self._k_weight = _k_weighting(hz).astype(np.float32)
        self._above_1k = (hz > 1000).astype(np.float32)
        ramp = np.sin(np.linspace(0, np.pi / 2, int(hop * _TAPER_SHARE)))
        self._taper = np.ones(hop, dtype=np.float32)
        self._taper[: len(ramp)], self._taper[-len(ramp) :] = ramp, ramp[::-1]
        # One-sided power spectrum to mean square: Parseval, twice for the negative frequencies, over the taper's power.
        self._scale = 2.0 / (hop * float((self._taper**2).sum()))

    def take(self, place: int, samples: Samples) -> None:
        self._draw(place, samples)
        lead = -place % self._hop
        first = (place + lead) // self._hop
        count = min((len(samples) - lead) // self._hop, len(self._power) - first)
        if count <= 0:
            return
        rows = samples[lead : lead + count * self._hop].reshape(count, self._hop)
        spectrum = np.fft.rfft(rows * self._taper)
        energy = (spectrum.real**2 + spectrum.imag**2).astype(np.float32) * self._scale
        into = slice(first, first + len(rows))
        self._power[into] = energy @ self._k_weight
        self._bright[into] = (energy @ self._above_1k) / np.maximum(energy.sum(axis=1), 1e-12)

    def _draw(self, place: int, samples: Samples) -> None:
        """The highest peak of every waveform point this block touches."""
        first = int(place / self._per_point)
        last = min(WAVEFORM_POINTS - 1, int((place + len(samples) - 1) / self._per_point))
        points = np.arange(first, last + 1)
        starts = np.clip(np.ceil(points * self._per_point).astype(np.int64) - place, 0, len(samples) - 1)
        peaks = np.maximum.reduceat(np.abs(samples), starts)
        self._waveform[first : last + 1] = np.maximum(self._waveform[first : last + 1], peaks)

    def grid(self, voices: VoiceFrames | None) -> SoundGrid:
        shape = (self._seconds, _FRAMES_S)
        momentary = _moving_mean(self._power, _MOMENTARY_FRAMES)
        loud = _LUFS_OFFSET + 10 * np.log10(np.maximum(momentary, 1e-12))
        loud = np.maximum(np.where(np.isnan(self._power), np.nan, loud), SILENCE_LUFS)
        known = (~np.isnan(loud)).reshape(shape).any(axis=1)
        filled = np.where(np.isnan(loud), SILENCE_LUFS, loud)
        per_second = filled.reshape(shape).max(axis=1)
        usual = np.median(per_second[known]) if known.any() else SILENCE_LUFS
        return SoundGrid(
            loudness=np.where(known, per_second, np.nan),
            brightness=np.where(known, self._bright.reshape(shape).mean(axis=1), np.nan),
            quiet=filled < max(usual - 15.0, SILENCE_LUFS + 1),
            waveform=np.minimum(self._waveform, 1.0),
            voice=_voice(voices, filled) if voices else None,
        )


def _voice(frames: VoiceFrames, momentary: Floats) -> Voice:
    """momentary: loudness of every 50 ms frame, shape (seconds * 20,)."""
    shape = (len(momentary) // _FRAMES_S, _FRAMES_S)
    unknown = np.isnan(frames.probability).reshape(shape).all(axis=1)
    share = (frames.probability > VOICE_PROBABILITY).reshape(shape).mean(axis=1)
    pitched = ~np.isnan(frames.pitch).reshape(shape)
    enough = pitched.sum(axis=1) >= _LEAST_VOICE_FRAMES
    # The median of the levels, not the mean of the powers: a bang in a spoken second would be most of its power.
    level = median_known(np.where(pitched, momentary.reshape(shape), np.nan))
    return Voice(
        share=np.where(unknown, np.nan, share),
        loudness=np.where(enough, level, np.nan),
        pitch=np.where(enough, median_known(frames.pitch.reshape(shape)), np.nan),
        laughter=np.where(unknown, np.nan, laughter(frames, seconds=shape[0])),
    )


def _moving_mean(power: NDArray[np.float32], frames: int) -> Floats:
    values = np.nan_to_num(power, nan=0.0).astype(np.float64)
    total = np.concatenate((np.zeros(frames), np.cumsum(values)))
    return (total[frames:] - total[:-frames]) / frames


def _k_weighting(hz: Floats) -> Floats:
    """Power response of the K-weighting filter at `hz`, from BS.1770-4's two biquads (given for 48 kHz)."""
    z = np.exp(-2j * np.pi * hz / 48_000)
    shelf = (1.53512485958697 - 2.69169618940638 * z + 1.19839281085285 * z**2) / (
        1 - 1.69065929318241 * z + 0.73248077421585 * z**2
    )
    high_pass = (1 - 2 * z + z**2) / (1 - 1.99004745483398 * z + 0.99007225036621 * z**2)
    return np.asarray(np.abs(shelf * high_pass) ** 2)
