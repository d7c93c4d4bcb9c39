"""Many people writing nearly the same at once: a reaction in any language, whether or not a lexicon knows the word.

Two things tell it. A wave: a short text written by many within seconds, far more often than its own average. And the
stream's vocabulary: texts that come in waves again and again, and rarely otherwise, are how this chat reacts.
"""

from typing import NamedTuple

import numpy as np

from workers.analysis.stats import Floats, Ints, sure_log_ratio

REACH_S = 5.0  # how far around a comment the same text counts as the same wave
FEWEST = 3.0  # people who must write it
FULL_LOG_RATIO = np.log(4.0)  # surely this many times a text's own average is a wave for certain
CLEAR = 0.5  # a wave worth counting for the vocabulary
EPISODE_S = 60
EPISODES = 4  # a text must come in so many different minutes of waves to be the stream's own reaction
UNSURE_USES = 8.0  # a text's share of uses in waves is believed against this many outside


class Waves(NamedTuple):
    """Per comment, shape (comments,), 0-1. wave: how surely it is part of one.  learned: how far its text is one of
    this stream's reactions."""

    wave: Floats
    learned: Floats


def waves(kind: Ints, at: Floats, weight: Floats, *, seconds: int) -> Waves:
    """kind: number of the reduced text, -1 for none.  at: seconds, sorted.  weight: 0-1, less for repeats."""
    short = kind >= 0
    wave, learned = np.zeros(len(kind)), np.zeros(len(kind))
    if not short.any():
        return Waves(wave, learned)
    kinds, own = kind[short], weight[short]
    here = same_near(kinds, at[short], own, before_s=REACH_S, after_s=REACH_S)
    total = np.bincount(kinds, weights=own).astype(np.float64)
    usual = (total[kinds] - here) * (2 * REACH_S + 1) / max(1, seconds)
    sure = sure_log_ratio(here, usual, unsure=0.5, errors=2.0)
    wave[short] = np.clip(sure / FULL_LOG_RATIO, 0.0, 1.0) * (here >= FEWEST)
    learned[short] = _vocabulary(kinds, at[short], own, wave[short], total)[kinds]
    return Waves(wave, learned)


def _vocabulary(kinds: Ints, at: Floats, weight: Floats, wave: Floats, total: Floats) -> Floats:
    """By kind: the share of its uses that stand in waves, 0 for kinds that waved in few minutes only."""
    clear = wave >= CLEAR
    minutes = int(at[-1]) // EPISODE_S + 1
    episodes = np.unique(kinds[clear] * minutes + at[clear].astype(np.int64) // EPISODE_S) // minutes
    count = np.bincount(episodes, minlength=len(total))
    inside = np.bincount(kinds, weights=weight * clear, minlength=len(total))
    return np.where(count >= EPISODES, inside / (total + UNSURE_USES), 0.0)


def same_near(what: Ints, at: Floats, weight: Floats, *, before_s: float, after_s: float) -> Floats:
    """For every comment, the weight of all that share `what` within [at - before_s, at + after_s], its own included."""
    order = np.lexsort((at, what))
    stride = float(at.max()) + before_s + after_s + 1.0
    key = what[order] * stride + at[order]
    total = np.concatenate(([0.0], np.cumsum(weight[order])))
    low, high = np.searchsorted(key, key - before_s, "left"), np.searchsorted(key, key + after_s, "right")
    result = np.empty(len(at))
    result[order] = total[high] - total[low]
    return result
