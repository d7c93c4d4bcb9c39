"""How far a figure could have come out otherwise: bootstrap over time blocks, bursts and channels, seeded."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.metrics import Floats, Span

BLOCK_S = 600.0
RESAMPLES = 1000


class Places(NamedTuple):
    """What a resampling of time blocks needs; each of shape (blocks,), counts.

    found, hits: of the ones found, in the block of their middle.  wanted, met: of the intervals, in theirs.
    """

    found: Floats
    hits: Floats
    wanted: Floats
    met: Floats


def in_blocks(found: list[Span], wanted: list[Span], hits: list[int | None], *, duration_s: float) -> Places:
    blocks = max(1, int(np.ceil(duration_s / BLOCK_S)))

    def count(spans: list[Span]) -> Floats:
        middles = np.array([(start + end) / 2 for start, end in spans])
        places = np.clip((middles // BLOCK_S).astype(np.int64), 0, blocks - 1)
        return np.bincount(places, minlength=blocks).astype(np.float64)

    met = [wanted[hit] for hit in hits if hit is not None]
    hitting = [span for span, hit in zip(found, hits, strict=True) if hit is not None]
    return Places(count(found), count(hitting), count(wanted), count(met))


def draws(blocks: int, *, seed: int = 0) -> Floats:
    """How often each block is drawn: shape (RESAMPLES, blocks)."""
    random = np.random.default_rng(seed)
    return random.multinomial(blocks, np.full(blocks, 1 / blocks), size=RESAMPLES).astype(np.float64)


def precision_recall_f1(places: Places, drawn: Floats) -> tuple[Floats, Floats, Floats]:
    """Of every draw, each of shape (draws,); 0 where nothing was found or wanted."""
    found, hits, wanted, met = (drawn @ counts for counts in places)
    precision, recall = _shares(hits, found), _shares(met, wanted)
    return precision, recall, _shares(2 * precision * recall, precision + recall)


def _shares(part: Floats, whole: Floats, *, otherwise: float = 0.0) -> Floats:
    """part / whole, and `otherwise` where there is no whole."""
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), otherwise)


def average_precisions(labels: Floats, scores: Floats, *, seed: int = 0) -> Floats:
    """AP of every draw of the bursts with replacement, shape (RESAMPLES,); 0 where a draw has no positive."""
    drawn = np.random.default_rng(seed).integers(0, len(labels), (RESAMPLES, len(labels)))
    order = np.argsort(-scores[drawn], axis=1, kind="stable")
    ranked = np.take_along_axis(labels[drawn], order, axis=1)
    precision = np.cumsum(ranked, axis=1) / np.arange(1, len(labels) + 1)
    positives = ranked.sum(axis=1)
    found = (precision * ranked).sum(axis=1)
    return _shares(found, positives)


def aucs(labels: Floats, scores: Floats, groups: NDArray[np.str_], *, seed: int = 0) -> Floats:
    """AUC of every draw of whole groups, shape (RESAMPLES,); NaN where a draw lacks positives or negatives."""
    names, member = np.unique(groups, return_inverse=True)
    times = draws(len(names), seed=seed)[:, member]
    good = labels > 0
    apart = scores[good][:, None] - scores[~good][None, :]
    above = (apart > 0) + 0.5 * (apart == 0)
    pairs = times[:, good].sum(axis=1) * times[:, ~good].sum(axis=1)
    won = ((times[:, good] @ above) * times[:, ~good]).sum(axis=1)
    return _shares(won, pairs, otherwise=np.nan)


def interval(values: Floats) -> Span:
    """The middle 95 % of those that are numbers; NaN without any."""
    known = values[~np.isnan(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, (0.025, 0.975))
    return float(low), float(high)


def less(ours: Floats, theirs: Floats, *, difference: float) -> dict[str, Any]:
    """Ours less theirs over the same draws."""
    apart = ours - theirs
    return {"difference": difference, "95 %": list(interval(apart)), "over it in": float(np.mean(apart > 0))}


def said(less_row: dict[str, Any], *, what: str, peer: str) -> str:
    low, high = less_row["95 %"]
    return (
        f"Ours less the {peer}'s, {what}: {less_row['difference']:+.3f} ({low:+.3f} to {high:+.3f}); over it in"
        f" {less_row['over it in']:.2f} of {RESAMPLES} resamples."
    )
