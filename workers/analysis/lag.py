"""How long after a moment the chat reacts: cross-correlation of sound and chat onsets."""

from typing import NamedTuple

import numpy as np

from workers.analysis.stats import Floats

DEFAULT_LAG_S = 5
MAX_LAG_S = 25
_EXPECTED_S = (3.0, 20.0)  # hand-measured on a small stream, published for large ones
_ENOUGH_Z = 4.5  # highest of 26 lags of unrelated series stays under this but once in thousands
_TOP_SHARE = 0.9


class Lag(NamedTuple):
    """seconds: what to use.  measured: whether it was found in this stream or is the default."""

    seconds: int
    measured: bool


def chat_lag(loudness: Floats, reactions: Floats) -> Lag:
    """The lag of `reactions` (mass a second) behind `loudness` (LUFS, NaN where unknown), both per second."""
    known = ~np.isnan(loudness)
    if known.sum() < 120 or not reactions.any():
        return Lag(DEFAULT_LAG_S, measured=False)
    sound = _onsets(np.where(known, loudness, np.nanmedian(loudness)))
    chat = _onsets(np.sqrt(reactions))
    lags = np.arange(MAX_LAG_S + 1)
    found = np.array([float((sound[: len(sound) - lag] * chat[lag:]).sum()) for lag in lags])
    scale = np.sqrt((sound**2).sum() * (chat**2).mean())
    if not scale > 0:
        return Lag(DEFAULT_LAG_S, measured=False)
    z = found / scale
    outside = np.maximum(_EXPECTED_S[0] - lags, 0) * 0.5 + np.maximum(lags - _EXPECTED_S[1], 0) * 0.2
    best = int(np.argmax(z - outside))
    if z[best] - outside[best] < _ENOUGH_Z:
        return Lag(DEFAULT_LAG_S, measured=False)
    return Lag(best, measured=True)


def _onsets(values: Floats) -> Floats:
    """How much the next 3 s are above the 6 s before, centred, rises only, the strongest tenth."""
    total = np.concatenate(([0.0], np.cumsum(values)))
    at = np.arange(len(values))
    after = (total[np.minimum(at + 3, len(values))] - total[at]) / np.maximum(np.minimum(at + 3, len(values)) - at, 1)
    before = (total[at] - total[np.maximum(at - 6, 0)]) / np.maximum(at - np.maximum(at - 6, 0), 1)
    rise = np.maximum(after - before, 0.0)
    rise[:6] = 0.0
    rise = np.where(rise >= np.quantile(rise, _TOP_SHARE), rise, 0.0)
    return np.asarray(rise - rise.mean())
