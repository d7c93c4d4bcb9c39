"""Passages that pulse like laughter: "ha ha ha" is one sound again and again; talk has no two syllables alike."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from workers.analysis.stats import Floats
from workers.analysis.voice_activity import FRAMES_S, PULSES_S, VoiceFrames

_WINDOW = 2 * PULSES_S
_PULSE_HZ = (3.5, 7.0)  # syllables of laughter: four to six a second
_DEPTH = 0.15  # standard deviation of log10 energy: what is flatter does not pulse
_LEAST_VOICE = 0.2  # mean probability over the window: models hear laughter as half a voice
_AT_ONCE = 4096  # seconds


def laughter(frames: VoiceFrames, *, seconds: int) -> Floats:
    """0-1 for every second: how alike the energy of two seconds around it is to itself one and two pulses later.

    0 where no voice is near.  Shape (seconds,).
    """
    found = np.zeros(seconds)
    padded = np.pad(frames.pulse, (PULSES_S // 2, _WINDOW), mode="edge")
    for start in range(0, seconds, _AT_ONCE):
        rows = sliding_window_view(padded, _WINDOW)[start * PULSES_S : (start + _AT_ONCE) * PULSES_S : PULSES_S]
        rows = rows[: seconds - start]
        found[start : start + len(rows)] = _evenness(rows)
    probability = np.nan_to_num(frames.probability).reshape(seconds, FRAMES_S).mean(axis=1)
    near = sliding_window_view(np.pad(probability, 1, mode="edge"), 3).mean(axis=1)
    return np.where(near >= _LEAST_VOICE, found, 0.0)


def _evenness(rows: Floats) -> Floats:
    centred = rows - rows.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(centred, 2 * _WINDOW)
    alike = np.fft.irfft(spectrum.real**2 + spectrum.imag**2, 2 * _WINDOW)[:, :_WINDOW]
    alike *= _WINDOW / np.arange(_WINDOW, 0, -1)  # fewer points overlap at longer periods
    alike /= np.maximum(alike[:, :1], 1e-9)
    shortest, longest = int(PULSES_S / _PULSE_HZ[1]), int(np.ceil(PULSES_S / _PULSE_HZ[0]))
    periods = np.arange(shortest, longest + 1)
    again = np.maximum(alike[:, 2 * periods - 1], np.maximum(alike[:, 2 * periods], alike[:, 2 * periods + 1]))
    both = np.minimum(alike[:, periods], again)
    # A slow swell is alike at every period: between two pulses it has to be unlike.
    both -= np.maximum(alike[:, periods // 2], 0.0)
    return np.where(rows.std(axis=1) > _DEPTH, np.clip(both.max(axis=1), 0.0, 1.0), 0.0)
