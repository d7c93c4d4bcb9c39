"""What the words say about a moment: their columns, how unusual they are, and the log-odds they add."""

import numpy as np

from workers.analysis.lexicon import EMOTIONS
from workers.analysis.stats import Floats, count_z, ratio, robust_z, shifted, window_sums
from workers.analysis.word_signals import WordGrid

WORDS_GAIN = 0.25


def word_evidence(words: WordGrid, columns: dict[str, Floats], z: dict[str, Floats]) -> Floats:
    """Log-odds per second, shape (seconds,), that the words add; fills their `columns` and `z`."""
    columns["speech_rate"] = window_sums(words.rate, window_s=5) / 5
    columns["phrases"] = words.phrases
    for index, name in enumerate(EMOTIONS):
        columns[f"speech_{name}"] = words.emotions[index]
    columns["speech_sentiment"] = ratio(words.sentiment, words.sentiment_count)
    z["speech_rate"] = robust_z(columns["speech_rate"], floor=0.8)
    reacting = words.emotions.sum(axis=0)
    excited = shifted(window_sums(reacting, window_s=12), -3)
    z["words"] = count_z(excited)
    return WORDS_GAIN * np.clip(excited, 0, 3.0)
