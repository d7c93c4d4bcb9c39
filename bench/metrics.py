"""How good a ranking is, with and without places in time."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Span = tuple[float, float]
WIDENED_S = 5.0
ENOUGH_IOU = 0.3


def precision_at(labels: Floats, scores: Floats, count: int = 10) -> float:
    """Of equal scores the first stands higher."""
    return float(labels[np.argsort(-scores, kind="stable")][:count].mean())


def average_precision(labels: Floats, scores: Floats) -> float:
    """NaN without a positive."""
    ranked = labels[np.argsort(-scores, kind="stable")]
    hits = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
    return float(hits[ranked > 0].mean()) if ranked.any() else float("nan")


def auc(labels: Floats, scores: Floats) -> float:
    """The chance that a positive stands over a negative, equals counting half; NaN without both."""
    good, bad = scores[labels > 0], scores[labels <= 0]
    if not len(good) or not len(bad):
        return float("nan")
    above = good[:, None] - bad[None, :]
    return float(((above > 0) + 0.5 * (above == 0)).mean())


def chance(labels: Floats) -> tuple[float, float]:
    """P@10 and AP of random orders: the expectation, AP over 2 000 shuffles."""
    random = np.random.default_rng(0)
    scores = [average_precision(labels, random.random(len(labels))) for _ in range(2000)]
    return float(labels.mean()), float(np.mean(scores))


def match(found: list[Span], wanted: list[Span]) -> list[int | None]:
    """Which interval each of `found`, best first, hits: the one it overlaps most of those no better one has taken.

    Intervals are widened by WIDENED_S on both sides; touching counts.
    """
    free = list(range(len(wanted)))
    hits: list[int | None] = []
    for start, end in found:
        shared = [min(end, wanted[i][1] + WIDENED_S) - max(start, wanted[i][0] - WIDENED_S) for i in free]
        best = int(np.argmax(shared)) if shared else -1
        hits.append(free.pop(best) if best >= 0 and shared[best] >= 0 else None)
    return hits


def iou(one: Span, other: Span) -> float:
    """Intersection over union of two spans, 0-1."""
    both = min(one[1], other[1]) - max(one[0], other[0])
    whole = max(one[1], other[1]) - min(one[0], other[0])
    return max(0.0, both) / whole if whole > 0 else 0.0
