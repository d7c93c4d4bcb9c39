"""Labelled bursts of chat: read, measured with the product's own code, weights fitted on them.

A burst is one JSON object: stream, start, end (seconds), highlight (true or false), messages [[offset_s, text]]; a
watched clip is the same with `channel`.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.metrics import Floats
from bench.peers import excited_share
from bench.product import FEATURES, log_odds, measure_burst, without_channel_emotes
from bench.read import read_json
from workers.analysis.scoring import Weights
from workers.chatlog import Comment

RIDGE = 30.0  # of standardised features: few data, so the weights stay small
STREAMERS = ("teo", "T90", "wardell")


class Bursts(NamedTuple):
    """One row per burst, in the files' order.

    streams, groups: name of the stream, and of whom it is: the streamer, or a watched clip's channel.  watched: whether
    it is a watched clip, whose times are not real.  labels: 1.0 for a highlight.  features: shape (bursts, FEATURES).
    rates: messages a second.  lists: share of messages on the one-line list.  emotions: the product's name, or None.
    digests: of the texts, per stream of a streamer or per channel.
    """

    streams: NDArray[np.str_]
    groups: NDArray[np.str_]
    watched: NDArray[np.bool_]
    labels: Floats
    features: Floats
    rates: Floats
    lists: Floats
    emotions: tuple[str | None, ...]
    digests: NDArray[np.str_]

    def where(self, chosen: NDArray[np.bool_]) -> "Bursts":
        emotions = tuple(name for name, keep in zip(self.emotions, chosen, strict=True) if keep)
        columns = {name: values[chosen] for name, values in self._asdict().items() if name != "emotions"}
        return Bursts(**columns, emotions=emotions)


def streamer_of(stream: str) -> str:
    """`teo4`, `T90[1]`, `wardell[3]`: the known streamer's name; else the name without its last number."""
    for name in STREAMERS:
        if stream.startswith(name):
            return name
    return re.sub(r"[\W_]*\d+\W*$", "", stream) or stream


def read_bursts(paths: Iterable[Path], *, mask_channel_emotes: bool = False) -> Bursts:
    """The bursts of all files measured. Raises ValueError when there are none."""
    listed = [burst for path in paths for burst in read_json(path)]
    if not listed:
        raise ValueError("no bursts")
    messages = [_messages(burst, mask_channel_emotes) for burst in listed]
    lengths = [_length(burst) for burst in listed]
    measured = [measure_burst(one, length_s=length) for one, length in zip(messages, lengths, strict=True)]
    streams = np.array([str(burst.get("channel") or burst["stream"]) for burst in listed])
    watched = np.array(["channel" in burst for burst in listed])
    return Bursts(
        streams=streams,
        groups=np.array([name if seen else streamer_of(name) for name, seen in zip(streams, watched, strict=True)]),
        watched=watched,
        labels=np.array([float(burst["highlight"]) for burst in listed]),
        features=np.array([one.features for one in measured]),
        rates=np.array([len(burst["messages"]) / length for burst, length in zip(listed, lengths, strict=True)]),
        lists=np.array([excited_share([one.text for one in comments]) for comments in messages]),
        emotions=tuple(one.emotion for one in measured),
        digests=_digests(listed, streams),
    )


def _length(burst: dict[str, Any]) -> float:
    return max(1.0, float(burst["end"]) - float(burst["start"]))


def _messages(burst: dict[str, Any], mask: bool) -> list[Comment]:
    start, length = float(burst["start"]), _length(burst)
    comments = []
    for place, (offset, text) in enumerate(burst["messages"]):
        said = without_channel_emotes(text) if mask else text
        if said.strip():
            comments.append(Comment(str(place), min(max(0.0, float(offset) - start), length), None, said))
    return comments


def _digests(listed: Sequence[dict[str, Any]], streams: NDArray[np.str_]) -> NDArray[np.str_]:
    texts: dict[str, list[list[str]]] = {}
    for name, burst in zip(streams.tolist(), listed, strict=True):
        texts.setdefault(name, []).append([message[1] for message in burst["messages"]])
    known = {
        name: hashlib.sha256(json.dumps(said, ensure_ascii=False).encode()).hexdigest()[:16]
        for name, said in texts.items()
    }
    return np.array([known[name] for name in streams.tolist()])


def balanced(groups: NDArray[np.str_]) -> Floats:
    """A weight per burst, 1 on average, so that a group with four times the bursts counts only twice as much."""
    _, inverse, counts = np.unique(groups, return_inverse=True, return_counts=True)
    weights = 1 / np.sqrt(counts[inverse])
    return np.asarray(weights / weights.mean())


def fit(features: Floats, labels: Floats, sample_weights: Floats | None = None) -> Weights:
    """Logistic regression with a ridge, by Newton's method; weights in the features' own units."""
    counts = np.ones(len(labels)) if sample_weights is None else sample_weights
    mean = np.average(features, axis=0, weights=counts)
    spread = np.sqrt(np.average((features - mean) ** 2, axis=0, weights=counts)) + 1e-9
    design = np.column_stack((np.ones(len(features)), (features - mean) / spread))
    penalty = np.diag((1e-6, *(RIDGE for _ in FEATURES)))
    weights = np.zeros(design.shape[1])
    for _ in range(40):
        likely = 1 / (1 + np.exp(-np.clip(design @ weights, -40, 40)))
        slope = design.T @ (counts * (likely - labels)) + penalty @ weights
        curve = counts * likely * (1 - likely)
        weights -= np.linalg.solve(design.T @ (design * curve[:, None]) + penalty, slope)
    raw = weights[1:] / spread
    return Weights(float(weights[0] - raw @ mean), *(float(value) for value in raw))


def fit_bursts(bursts: Bursts) -> Weights:
    """Weights from all of `bursts`; the watched clips count as one group among the streamers."""
    groups = np.where(bursts.watched, "watched", bursts.groups)
    return fit(bursts.features, bursts.labels, balanced(groups))


def held_out(bursts: Bursts, parts: NDArray[np.str_] | None = None) -> Floats:
    """Log-odds of every burst by weights fitted on the bursts of other parts; parts: default the groups."""
    names = bursts.groups if parts is None else parts
    scores = np.zeros(len(bursts.labels))
    for name in np.unique(names):
        inside = names == name
        scores[inside] = log_odds(bursts.features[inside], fit_bursts(bursts.where(~inside)))
    return scores
