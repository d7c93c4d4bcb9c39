"""What the words say about a moment: their columns, how unusual they are, and the log-odds they add.

There are no labels to fit the weights on: they are set by hand.
"""

import numpy as np

from shared.emotions import EMOTIONS
from workers.analysis.stats import Floats, count_z, ratio, robust_z, shifted, window_sums
from workers.analysis.word_signals import WordGrid

PHRASE_WEIGHT = 0.4  # log-odds for each phrase that is nothing but reaction, beyond the fewest
FEWEST_PHRASES, MOST_PHRASES = 1.5, 3.0  # a streamer says one such phrase in 12 s all the time
PHRASES_S, PHRASES_BEFORE_S = 12, 3
CLIP_WEIGHT = 0.8  # log-odds where the speaker asks for a clip of what just happened
CLIP_AFTER_S = 15


def word_evidence(words: WordGrid, columns: dict[str, Floats], z: dict[str, Floats]) -> Floats:
    """Log-odds per second, shape (seconds,), that the words add; fills their `columns` and `z`."""
    columns["speech_rate"] = window_sums(words.rate, window_s=5) / 5
    columns["phrases"] = words.phrases
    for index, name in enumerate(EMOTIONS):
        columns[f"speech_{name}"] = words.emotions[index]
    columns["speech_sentiment"] = ratio(words.sentiment, words.sentiment_count)
    z["speech_rate"] = robust_z(columns["speech_rate"], floor=0.8)
    reacting = words.emotions.sum(axis=0)
    excited = shifted(window_sums(reacting, window_s=PHRASES_S), -PHRASES_BEFORE_S)
    z["words"] = count_z(excited)
    columns["speech_clip"] = words.clip
    asked = np.minimum(window_sums(words.clip, window_s=CLIP_AFTER_S), 1.0)
    many = np.clip(excited - FEWEST_PHRASES, 0.0, MOST_PHRASES - FEWEST_PHRASES)
    return PHRASE_WEIGHT * many + CLIP_WEIGHT * asked
