"""What the sound says about a moment: its columns, how unusual they are, and the log-odds they add.

There are no labels to fit the weights on: they are set by hand, so that the surest passage of one kind alone moves the
score of a second as much as a doubling of the people who write, or less.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from workers.analysis.sound_signals import SoundGrid, Voice
from workers.analysis.stats import Floats, rises, robust_z, window_sums

# Log-odds that the surest passage of each kind adds.
SHOUT_WEIGHT = 0.6
LAUGHTER_WEIGHT = 0.6
RISE_WEIGHT = 0.3  # a bang, a cheer, the jingle of a gift: something happens, but not to whom

LOUDNESS_FLOOR_LU = 2.0  # the least spread believed: talk varies by as much
RISE_Z = (1.5, 6.0)  # from nothing to sure
SHOUT_Z = (2.5, 5.5)
LAUGHTER = (0.3, 0.7)  # one second of a hundred of calm talk reaches the first
PITCH_PER_Z, BRIGHTNESS_PER_Z = 0.5, 0.3  # of the voice's loudness: shouting is higher and brighter than loud talk
MOST_Z = 3.0  # that pitch and brightness are counted up to
AWAY_LOSS = 0.05  # for each second, so that a moment stands where its sound is
PAUSE_LU = 6.0  # quieter than usual by more is a pause: the next word is no event


def sound_evidence(sound: SoundGrid, columns: dict[str, Floats], z: dict[str, Floats]) -> Floats:
    """Log-odds per second, shape (seconds,), that the sound adds; fills its `columns` and `z`."""
    columns["loudness_lufs"] = sound.loudness
    columns["brightness"] = sound.brightness
    z["loudness"] = np.nan_to_num(robust_z(sound.loudness, floor=LOUDNESS_FLOOR_LU))
    z["brightness"] = np.nan_to_num(robust_z(sound.brightness, floor=0.05))
    sudden = loudness_rises(sound.loudness, after_s=3, before_s=6) / LOUDNESS_FLOOR_LU
    z["rise"] = np.minimum(sudden, np.maximum(z["loudness"], 0.0))
    evidence = RISE_WEIGHT * _highest(_sure(z["rise"], RISE_Z), 6, mean_s=1)
    return evidence if sound.voice is None else evidence + _voice_evidence(sound.voice, columns, z)


def loudness_rises(loudness: Floats, *, after_s: int, before_s: int) -> Floats:
    """LU by which the next seconds are louder than those before; loudness: LUFS, NaN where unknown."""
    if np.isnan(loudness).all():
        return np.zeros(len(loudness))
    usual = float(np.nanmedian(loudness))
    level = np.maximum(np.nan_to_num(loudness, nan=usual), usual - PAUSE_LU)
    return rises(level, after_s=after_s, before_s=before_s)


def _voice_evidence(voice: Voice, columns: dict[str, Floats], z: dict[str, Floats]) -> Floats:
    columns["voice"] = voice.share
    columns["voice_loudness_lufs"] = voice.loudness
    columns["voice_pitch_hz"] = voice.pitch
    columns["laughter"] = voice.laughter
    z["voice_loudness"] = np.nan_to_num(robust_z(voice.loudness, floor=LOUDNESS_FLOOR_LU))
    z["voice_pitch"] = np.nan_to_num(robust_z(12 * np.log2(voice.pitch), floor=2.0))  # semitones
    z["shout"] = _shout(z)
    z["laughter"] = np.nan_to_num(robust_z(voice.laughter, floor=0.12))
    columns["shout"] = np.where(np.isnan(voice.share), np.nan, _sure(z["shout"], SHOUT_Z))
    shouting = _highest(columns["shout"], 6)
    laughing = _highest(_sure(voice.laughter, LAUGHTER), 10)
    return SHOUT_WEIGHT * shouting + LAUGHTER_WEIGHT * laughing


def _shout(z: dict[str, Floats]) -> Floats:
    """Standard deviations that the voice is louder than usual, and those of what shouting changes beside it."""
    higher = PITCH_PER_Z * np.clip(z["voice_pitch"], 0, MOST_Z) + BRIGHTNESS_PER_Z * np.clip(z["brightness"], 0, MOST_Z)
    return np.where(z["voice_loudness"] > 1.0, z["voice_loudness"] + higher, 0.0)


def _sure(values: Floats, from_to: tuple[float, float]) -> Floats:
    """0-1: nothing up to the first of `from_to`, sure from the second on."""
    low, high = from_to
    return np.clip((values - low) / (high - low), 0.0, 1.0)


def _highest(values: Floats, ahead_s: int, *, mean_s: int = 2) -> Floats:
    """The highest mean of `mean_s` neighbouring seconds in [t - 2, t + ahead_s), less the further it is from t."""
    means = window_sums(np.nan_to_num(values), window_s=mean_s) / mean_s
    away = np.arange(-2, ahead_s)
    rows = sliding_window_view(np.pad(means, (2, ahead_s), mode="edge"), len(away))[: len(values)]
    return np.asarray((rows * (1.0 - AWAY_LOSS * np.abs(away))).max(axis=1))
