"""What a channel's verdicts change in the ranking: a small step away from the shipped weights.

A logistic regression of the verdicts on the features of the judged highlights, with the shipped weights as the prior's
mean and a strong ridge (a normal prior; Bishop 2006, Pattern Recognition and Machine Learning, section 4.4). The same
verdicts give the same weights.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from shared.feedback import Verdict
from workers.analysis.features import FEATURES, features_at
from workers.analysis.scoring import MOST_SCORE
from workers.analysis.stats import Floats, sigmoid
from workers.analysis.timeline import Timeline

MIN_VERDICTS, MIN_OF_A_KIND = 8, 2
RIDGE = 15.0  # on weights of standardised features; verdicts by the hundred outweigh it, ten hardly do
BASE_RIDGE = 0.1  # on how often this person says "good", which is learned beside the weights and then left out
MIN_SPREAD = 0.02  # features that hardly differ among the judged highlights teach nothing about those where they do
MAX_STEP = 1.0  # log-odds, for a moment one standard deviation off in the direction of the step
MAX_SHIFT = 1.5  # log-odds, for any moment
_ITERATIONS = 500
_CLOSE_ENOUGH = 1e-10


class Tuning(NamedTuple):
    """step: tuned minus shipped weights; centre: the features of an average judged highlight, whose score stays.

    Both of shape (features,).  verdicts: how many it was learned from.
    """

    step: Floats
    centre: Floats
    verdicts: int

    def shift(self, features: Floats) -> Floats:
        """What to add to the log-odds of moments with these features, shape (moments, features) -> (moments,)."""
        return np.clip((features - self.centre) @ self.step, -MAX_SHIFT, MAX_SHIFT)


def learned(verdicts: Sequence[Verdict], shipped: Floats, *, names: tuple[str, ...] = FEATURES) -> Tuning | None:
    """What the verdicts teach; None when too few of them, or too few of one kind, were given on these features.

    shipped: the shipped weights of `names`, shape (features,).
    """
    usable = [verdict for verdict in verdicts if verdict.names == names]
    good = np.array([verdict.good for verdict in usable], dtype=np.float64)
    if len(usable) < MIN_VERDICTS or min(good.sum(), (1 - good).sum()) < MIN_OF_A_KIND:
        return None
    features = np.array([verdict.features for verdict in usable])
    centre, spread = features.mean(axis=0), np.maximum(features.std(axis=0), MIN_SPREAD)
    step = _ridge_step((features - centre) / spread, good, expected=(features - centre) @ shipped)
    length = float(np.linalg.norm(step))
    return Tuning(step * min(1.0, MAX_STEP / max(length, 1e-12)) / spread, centre, len(usable))


def _ridge_step(standardised: Floats, good: Floats, *, expected: Floats) -> Floats:
    """The step in weights of standardised features.

    standardised: shape (verdicts, features).  good, expected (log-odds by the shipped weights): shape (verdicts,).
    Each iteration divides by an upper bound of the curvature (Böhning 1992, doi:10.1007/BF00048682), where Newton's own
    may overshoot without end: a shipped score near 0 or 1 has no curvature.
    """
    design = np.column_stack((np.ones(len(good)), standardised))
    ridge = np.diag([BASE_RIDGE, *[RIDGE] * standardised.shape[1]])
    most_curved = design.T @ design / 4 + ridge
    step = np.zeros(design.shape[1])
    for _ in range(_ITERATIONS):
        slope = design.T @ (sigmoid(expected + design @ step) - good) + ridge @ step
        change = np.linalg.solve(most_curved, slope)
        step = step - change
        if np.abs(change).max() < _CLOSE_ENOUGH:
            break
    return step[1:]


def retuned(timeline: Timeline, tuning: Tuning) -> Timeline:
    """The timeline with its score moved by what was learned. Only for a timeline with chat."""
    features = np.array([features_at(timeline, second) for second in range(timeline.seconds)])
    sure = np.clip(timeline.columns["score"] / MOST_SCORE, 1e-9, 1 - 1e-9)
    moved = MOST_SCORE * sigmoid(np.log(sure / (1 - sure)) + tuning.shift(features))
    return Timeline(**{**timeline.__dict__, "columns": {**timeline.columns, "score": moved}})
