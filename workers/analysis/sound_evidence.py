"""What the sound says about a moment: its columns, how unusual they are, and the log-odds they add."""

import numpy as np

from workers.analysis.sound_signals import SoundGrid
from workers.analysis.stats import Floats, robust_z, window_sums

SOUND_PER_Z = 0.15
SOUND_USUAL_Z = 1.5
LAUGHTER_GAIN = 0.6
CLIP_Z = 6.0


def sound_evidence(sound: SoundGrid, columns: dict[str, Floats], z: dict[str, Floats]) -> Floats:
    """Log-odds per second, shape (seconds,), that the sound adds; fills its `columns` and `z`."""
    columns["loudness_lufs"] = sound.loudness
    columns["laughter"] = sound.laughter
    columns["brightness"] = sound.brightness
    z["loudness"] = np.nan_to_num(robust_z(sound.loudness, floor=2.0))
    z["brightness"] = np.nan_to_num(robust_z(sound.brightness, floor=0.05))
    z["laughter"] = np.nan_to_num(robust_z(sound.laughter, floor=0.08))
    shout = np.clip(_loudest(z["loudness"], 6) + 0.3 * np.clip(_loudest(z["brightness"], 6), 0, 3), 0, CLIP_Z)
    laughter = np.clip(_loudest(z["laughter"], 10) - 2.0, 0, 2.0) / 2.0 * (shout > SOUND_USUAL_Z)
    return SOUND_PER_Z * (shout - SOUND_USUAL_Z) + LAUGHTER_GAIN * 0.5 * laughter


def _loudest(values: Floats, ahead_s: int) -> Floats:
    """The highest mean of two neighbouring seconds in [t - 2, t + ahead_s)."""
    pairs = window_sums(values, window_s=2) / 2
    padded = np.pad(pairs, (2, ahead_s), mode="edge")
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, ahead_s + 2)[: len(values)].max(axis=1))
