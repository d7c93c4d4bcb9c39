"""Labelled bursts of chat: read, measured with the product's own code, the weights fitted and judged on them."""

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from workers.analysis.chat_signals import chat_grid
from workers.analysis.lexicon import is_channel_emote
from workers.analysis.scoring import Weights, chat_log_odds
from workers.analysis.stats import Floats
from workers.chatlog import Comment

FEATURES = ("reaction", "loud", "crowd", "log_rate")
# Of standardised features: few data, so the weights stay small. The rate is held back most: on streams of others it
# ranks bursts no better than chance.
RIDGE = (10.0, 10.0, 10.0, 40.0)


class Bursts(NamedTuple):
    """streams: name per burst.  labels: 1.0 for a highlight.  features: shape (bursts, 4), see FEATURES."""

    streams: tuple[str, ...]
    labels: Floats
    features: Floats

    def names(self) -> list[str]:
        return sorted(set(self.streams))

    def of(self, stream: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
        return np.array([name == stream for name in self.streams])


def read_json(path: Path) -> Any:  # noqa: ANN401
    raw = path.read_bytes()
    return json.loads(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)


def read_bursts(path: Path, *, mask_channel_emotes: bool) -> tuple[Bursts, dict[str, str]]:
    """The bursts of `path` measured, and a digest of every stream's bursts."""
    listed = read_json(path)
    rows = [_measure(burst, mask_channel_emotes) for burst in listed]
    features = np.array(rows)
    streams = tuple(str(burst["stream"]) for burst in listed)
    bursts = Bursts(streams, np.array([float(burst["highlight"]) for burst in listed]), features)
    for stream in bursts.names():
        inside = bursts.of(stream)
        features[inside, 3] -= features[inside, 3].mean()
    return bursts, {name: _digest([b for b in listed if str(b["stream"]) == name]) for name in bursts.names()}


def _digest(listed: list[Any]) -> str:
    messages = [[message[1] for message in burst["messages"]] for burst in listed]
    return hashlib.sha256(json.dumps(messages, ensure_ascii=False).encode()).hexdigest()[:16]


def _measure(burst: dict[str, Any], mask: bool) -> list[float]:
    start, length = float(burst["start"]), max(1.0, float(burst["end"]) - float(burst["start"]))
    comments = []
    for place, (offset, text) in enumerate(burst["messages"]):
        if mask:
            text = " ".join(word for word in text.split() if not is_channel_emote(word))
        if text.strip():
            comments.append(Comment(str(place), min(max(0.0, float(offset) - start), length), None, text))
    grid = chat_grid(comments, duration_s=length + 1)
    count = max(1.0, float(grid.sums["weight"].sum()))
    shares = [float(grid.sums[name].sum()) / count for name in FEATURES[:3]]
    return [*shares, float(np.log(max(1, len(comments)) / length))]


def score(features: Floats, weights: Weights) -> Floats:
    return chat_log_odds(features[:, 0], features[:, 1], features[:, 2], features[:, 3], weights)


def fit(features: Floats, labels: Floats) -> Weights:
    """Logistic regression with a ridge, by Newton's method; weights in the features' own units."""
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-9
    design = np.column_stack((np.ones(len(features)), (features - mean) / spread))
    penalty = np.diag((1e-6, *RIDGE))
    weights = np.zeros(design.shape[1])
    for _ in range(40):
        likely = 1 / (1 + np.exp(-design @ weights))
        slope = design.T @ (likely - labels) + penalty @ weights
        weights -= np.linalg.solve(design.T @ (design * (likely * (1 - likely))[:, None]) + penalty, slope)
    raw = weights[1:] / spread
    return Weights(float(weights[0] - raw @ mean), *(float(value) for value in raw))


def precision_at(labels: Floats, scores: Floats, count: int = 10) -> float:
    return float(labels[np.argsort(-scores, kind="stable")][:count].mean())


def average_precision(labels: Floats, scores: Floats) -> float:
    ranked = labels[np.argsort(-scores, kind="stable")]
    hits = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
    return float(hits[ranked > 0].mean()) if ranked.any() else float("nan")


def chance(labels: Floats) -> tuple[float, float]:
    """P@10 and AP of random orders: the expectation, AP over 2 000 shuffles."""
    random = np.random.default_rng(0)
    scores = [average_precision(labels, random.random(len(labels))) for _ in range(2000)]
    return float(labels.mean()), float(np.mean(scores))
