"""Labelled bursts and watched clips ranked by the product and by its peers."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.bursts import Bursts, held_out
from bench.metrics import Floats, auc, average_precision, chance, precision_at
from bench.product import TrainedOn, log_odds, shipped_weights
from bench.resampling import aucs, average_precisions, interval, less, said

Figures = dict[str, float]
OURS, RATE, LIST = "ours", "counting", "excitement list"


class Scored(NamedTuple):
    """scores: log-odds per burst.  said: by which weights."""

    scores: Floats
    said: str


def scored(bursts: Bursts, trained: TrainedOn) -> Scored:
    """Groups the shipped weights have seen are judged by weights fitted on the others, all others by the shipped ones.

    Where only one group is given, its streams are held out in turn instead.
    """
    shipped = log_odds(bursts.features, shipped_weights())
    seen = np.isin(bursts.digests, list(trained.digests))
    if not seen.any():
        return Scored(shipped, "the shipped weights on every stream" + _by_name(bursts, trained.owners) + ".")
    parts, what = bursts.groups, "streamers or channels"
    if len(np.unique(parts)) < 2:
        parts, what = bursts.streams, "streams (of one streamer)"
    if len(np.unique(parts)) < 2:
        return Scored(shipped, "the shipped weights, which have SEEN this stream.")
    known = np.isin(parts, parts[seen])
    inside, outside = len(np.unique(parts[known])), len(np.unique(parts[~known]))
    said = f"{what} of the training data held out in turn: {inside}; judged with the shipped weights: {outside}."
    return Scored(np.where(known, held_out(bursts, parts), shipped), said)


def _by_name(bursts: Bursts, owners: frozenset[str]) -> str:
    known = sorted(set(bursts.groups.tolist()) & owners)
    return f", which have SEEN other streams of {', '.join(known)}" if known else ""


def _figures(labels: Floats, scores: Floats) -> Figures:
    return {
        "P@10": precision_at(labels, scores),
        "AP": average_precision(labels, scores),
        "AUC": auc(labels, scores),
    }


def _chance(labels: Floats) -> Figures:
    precision, average = chance(labels)
    return {"P@10": precision, "AP": average, "AUC": 0.5}


def _ways(bursts: Bursts, scores: Floats) -> dict[str, Callable[[NDArray[np.bool_]], Figures]]:
    """How ours, the peers and chance do on some of the bursts."""
    return {
        OURS: lambda inside: _figures(bursts.labels[inside], scores[inside]),
        LIST: lambda inside: _figures(bursts.labels[inside], bursts.lists[inside]),
        RATE: lambda inside: _figures(bursts.labels[inside], bursts.rates[inside]),
        "chance": lambda inside: _chance(bursts.labels[inside]),
    }


def mean(rows: list[Figures]) -> Figures:
    """Per figure over the rows that have it."""
    return {name: _known_mean([row[name] for row in rows]) for name in rows[0]}


def _known_mean(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan


def by_stream(bursts: Bursts, scores: Floats) -> dict[str, dict[str, Figures]]:
    """Way to stream to figures; streams without a highlight have no AP and are left out."""
    streams = [name for name in np.unique(bursts.streams) if bursts.labels[bursts.streams == name].any()]
    return {
        way: {str(name): judge(bursts.streams == name) for name in streams}
        for way, judge in _ways(bursts, scores).items()
    }


def by_streamer(bursts: Bursts, rows: dict[str, Figures]) -> dict[str, Figures]:
    """The mean over each streamer's streams."""
    owner = dict(zip(bursts.streams.tolist(), bursts.groups.tolist(), strict=True))
    names = sorted({owner[stream] for stream in rows})
    return {name: mean([row for stream, row in rows.items() if owner[stream] == name]) for name in names}


def judge_bursts(bursts: Bursts, scores: Floats) -> dict[str, Figures]:
    """Prints per stream and per streamer; returns way to figures, macro over streamers."""
    rows = by_stream(bursts, scores)
    if not any(rows.values()):
        raise SystemExit("No stream of the bursts holds a highlight: nothing to judge.")
    streamers = {way: by_streamer(bursts, found) for way, found in rows.items()}
    print(f"{'P@10 / AP / AUC':>20}" + "".join(f"{way:>23}" for way in rows))
    for table, head in ((rows, "stream"), (streamers, "streamer")):
        for name in table[OURS]:
            _row(f"{head} {name}", {way: table[way][name] for way in table})
    macro = {way: mean(list(found.values())) for way, found in streamers.items()}
    _row(f"macro, {len(streamers[OURS])} streamers", macro)
    return macro


def bursts_spread(bursts: Bursts, scores: Floats, macro: dict[str, Figures]) -> dict[str, Any]:
    """Of the macro AP, over draws of each stream's bursts; prints and returns it for JSON."""
    drawn = {way: _macro_draws(bursts, values) for way, values in ((OURS, scores), (LIST, bursts.lists))}
    return _spread(drawn, what="AP", difference=macro[OURS]["AP"] - macro[LIST]["AP"])


def _macro_draws(bursts: Bursts, values: Floats) -> Floats:
    streamers: dict[str, list[Floats]] = {}
    for seed, stream in enumerate(np.unique(bursts.streams)):
        inside = bursts.streams == stream
        if bursts.labels[inside].any():
            drawn = average_precisions(bursts.labels[inside], values[inside], seed=seed)
            streamers.setdefault(str(bursts.groups[inside][0]), []).append(drawn)
    means = [np.mean(rows, axis=0) for rows in streamers.values()]
    return np.asarray(np.mean(means, axis=0))


def watched_spread(bursts: Bursts, scores: Floats, pooled: dict[str, Figures]) -> dict[str, Any]:
    """Of the AUC, over draws of whole channels; prints and returns it for JSON."""
    ways = ((OURS, scores), (LIST, bursts.lists))
    drawn = {way: aucs(bursts.labels, values, bursts.groups) for way, values in ways}
    return _spread(drawn, what="AUC", difference=pooled[OURS]["AUC"] - pooled[LIST]["AUC"])


def _spread(drawn: dict[str, Floats], *, what: str, difference: float) -> dict[str, Any]:
    low, high = interval(drawn[OURS])
    apart = less(drawn[OURS], drawn[LIST], difference=difference)
    print(f"Ours, {what}: middle 95 % {low:.3f} to {high:.3f}. {said(apart, what=what, peer=LIST)}")
    return {"95 %": {what: [low, high]}, f"over the {LIST}": {what: apart}}


def judge_watched(bursts: Bursts, scores: Floats) -> dict[str, Figures]:
    """Prints and returns way to figures over all clips pooled: a channel has too few for figures of its own."""
    everything = np.ones(len(bursts.labels), dtype=bool)
    pooled = {way: judge(everything) for way, judge in _ways(bursts, scores).items()}
    print(f"{'P@10 / AP / AUC':>20}" + "".join(f"{way:>23}" for way in pooled))
    liked, channels = int(bursts.labels.sum()), len(np.unique(bursts.groups))
    _row("pooled", pooled)
    print(
        f"{len(bursts.labels)} watched clips of {channels} channels, {liked} liked, pooled over scores of different"
        " weights where channels are held out. Their times are not real: counting is by clip."
    )
    return pooled


def _row(name: str, ways: dict[str, Figures]) -> None:
    cells = ("  ".join(f"{ways[way][key]:.3f}" for key in ("P@10", "AP", "AUC")) for way in ways)
    print(f"{name:>20}" + "".join(f"{cell:>23}" for cell in cells))


def for_json(ways: dict[str, Figures]) -> dict[str, Any]:
    """Ours at the top, the peers and chance nested."""
    return ways[OURS] | {way: found for way, found in ways.items() if way != OURS}


def rounded(value: Any) -> Any:  # noqa: ANN401
    """For JSON: four decimals, null where there is no number."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [rounded(inner) for inner in value]
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 4)
    return value
