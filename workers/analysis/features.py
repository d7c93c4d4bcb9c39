"""What kind of moment the chat tells of, second by second: the features that verdicts are remembered with.

scoring.chat_log_odds is linear in them with the weights of `shipped_vector`. What the score has beside it (how many
people write, the stream's habits, sound, words) is nothing that verdicts change.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from shared import files
from workers.analysis.scoring import MOST_CLIP, SHARES, shipped_weights
from workers.analysis.stats import Floats
from workers.analysis.timeline import Timeline

FEATURES: tuple[str, ...] = SHARES


def shipped_vector() -> Floats:
    """The shipped weight of each feature, shape (len(FEATURES),)."""
    weights = shipped_weights()
    return np.array([getattr(weights, name) for name in FEATURES])


def features_at(timeline: Timeline, second: int) -> Floats:
    """The features that the score of `second` was made of, shape (len(FEATURES),). Only for a timeline with chat."""
    shares = {name: float(timeline.columns[f"{name}_share"][second]) for name in FEATURES}
    return np.array([min(value, MOST_CLIP) if name == "clip" else value for name, value in shares.items()])


def write_features(features: Mapping[int, Floats], into: Path) -> str:
    """Write features.json, the features of each highlight by its rank, into the folder; returns its name."""
    rows = {str(rank): [round(float(value), 4) for value in vector] for rank, vector in features.items()}
    text = json.dumps({"names": FEATURES, "highlights": rows}, allow_nan=False)
    (into / files.FEATURES.name).write_text(text + "\n", encoding="utf-8")
    return files.FEATURES.name
