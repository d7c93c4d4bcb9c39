"""A whole stream with drawn intervals: the highlights found from the chat alone beside the peers'."""

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench import peers
from bench.metrics import ENOUGH_IOU, Span, iou, match
from bench.product import Found, find_in_chat
from bench.read import read_chat, read_intervals
from bench.resampling import (
    BLOCK_S,
    RESAMPLES,
    Places,
    draws,
    in_blocks,
    interval,
    less,
    precision_recall_f1,
    said,
)

COUNTS = (10, 30)
FIXED_S = (30.0, 60.0)
OURS, PEAK_FINDER = "ours", peers.PEERS[0].name
FIGURES, FEW = ("P", "R", "F1"), "P@10"


class Judged(NamedTuple):
    """figures: name such as `F1@30` to its value.  spread: to the middle 95 % of the resamples.  draws: to them all."""

    figures: dict[str, float]
    spread: dict[str, Span]
    draws: dict[str, np.ndarray[Any, np.dtype[np.float64]]]
    mean_iou: float
    enough_iou: float
    hits: list[int | None]


def judge(found: list[Span], wanted: list[Span], *, duration_s: float) -> Judged:
    """found: best first."""
    figures, spread, drawn = {}, {}, {}
    for count in COUNTS:
        top = found[:count]
        places = in_blocks(top, wanted, match(top, wanted), duration_s=duration_s)
        for name, values in zip(FIGURES, _resampled(places), strict=True):
            key = f"{name}@{count}"
            if key == FEW:
                # Of ten asked for: fewer found are no excuse.
                values = values * min(1.0, len(top) / count)
            figures[key], drawn[key] = float(values[0]), values[1:]
            spread[key] = interval(values[1:])
    hits = match(found, wanted)
    overlaps = [iou(span, wanted[hit]) for span, hit in zip(found, hits, strict=True) if hit is not None]
    return Judged(
        figures=figures,
        spread=spread,
        draws=drawn,
        mean_iou=float(np.mean(overlaps)) if overlaps else 0.0,
        enough_iou=float(np.mean([value >= ENOUGH_IOU for value in overlaps])) if overlaps else 0.0,
        hits=hits,
    )


def _resampled(places: Places) -> tuple[Any, ...]:
    """Precision, recall and F1: first of the blocks as they are, then of every draw."""
    blocks = len(places.found)
    return precision_recall_f1(places, np.concatenate((np.ones((1, blocks)), draws(blocks))))


def windows(found: list[Found], length_s: float) -> list[Span]:
    """Windows of one length round the moments."""
    return [(max(0.0, one.peak_s - length_s / 2), one.peak_s + length_s / 2) for one in found]


def judge_chat(chat: Path, intervals: Path) -> dict[str, Any]:
    """Prints the tables; returns the figures for JSON: ours at the top, the peers nested."""
    wanted, comments = read_intervals(intervals), read_chat(chat)
    duration = max([one.offset_seconds for one in comments] + [end for _, end in wanted], default=0.0) + 1.0
    ours = find_in_chat(comments, count=max(COUNTS))
    spans = {OURS: [(one.start_s, one.end_s) for one in ours]}
    spans |= {peer.name: peers.find(peer, comments, count=max(COUNTS)) for peer in peers.PEERS}
    fixed = {f"our moments, {length:g} s": windows(ours, length) for length in FIXED_S}
    ways = {name: judge(found, wanted, duration_s=duration) for name, found in (spans | fixed).items()}
    _print_found(ours, ways[OURS], wanted)
    _print_ways(ways, wanted, len(comments), duration)
    result = _for_json(ways[OURS]) | {"found": len(ours), "wanted": len(wanted)}
    apart = _against(ways[OURS], ways[PEAK_FINDER])
    return result | {"over the peak finder": apart} | {
        name: _for_json(one) | {"found": len(one.hits)} for name, one in ways.items() if name != OURS
    }  # fmt: skip


def describe_chat(chat: Path) -> dict[str, Any]:
    """Prints what is found where nothing was drawn, and how far the peak finder agrees."""
    comments = read_chat(chat)
    ours = find_in_chat(comments, count=max(COUNTS))
    theirs = peers.find(peers.PEERS[0], comments, count=max(COUNTS))
    first = [(one.start_s, one.end_s) for one in ours[: min(COUNTS)]]
    result = {
        "found": len(ours),
        "best score": max((one.score for one in ours), default=0.0),
        "over 0.5": sum(one.score > 0.5 for one in ours),
        "over 0.9": sum(one.score > 0.9 for one in ours),
        "emotions": dict(Counter(one.emotion or "none" for one in ours)),
        "first ten also the peak finder's": sum(hit is not None for hit in match(first, theirs)),
    }
    print(
        "  ".join(
            f"{name} {value:.3f}" if isinstance(value, float) else f"{name} {value}" for name, value in result.items()
        )
    )
    return result


def _print_found(ours: list[Found], judged: Judged, wanted: list[Span]) -> None:
    print(f"{len(ours)} highlights from the chat alone against {len(wanted)} intervals, shipped weights.")
    for place, (one, hit) in enumerate(zip(ours, judged.hits, strict=True), start=1):
        said = "-"
        if hit is not None:
            start, end = wanted[hit]
            said = f"hit {start:.1f} - {end:.1f}, IoU {iou((one.start_s, one.end_s), wanted[hit]):.2f}"
        print(f"{place:>3}  {one.start_s:>9.1f} - {one.end_s:>9.1f}  {one.score:.3f}  {one.emotion or '-':<10}  {said}")


def _print_ways(ways: dict[str, Judged], wanted: list[Span], comments: int, duration: float) -> None:
    best = 2 * len(wanted) / (max(COUNTS) + len(wanted))
    print(
        f"\n{comments} comments, {duration / 3600:.1f} h. Middle 95 % of {RESAMPLES} resamples of"
        f" {BLOCK_S / 60:g} minute blocks. With {max(COUNTS)} found, F1 can't be over {best:.3f} here.\n"
        f"Peers' windows: {peers.WINDOW_SAID}."
    )
    keys = [f"{name}@{count}" for count in COUNTS for name in FIGURES]
    print(
        f"{'':>20}" + "".join(f"{key:>20}" for key in keys) + f"{'mean IoU':>10}{f'>= {ENOUGH_IOU:g}':>8}{'found':>6}"
    )
    for name, one in ways.items():
        cells = (f"{one.figures[key]:.2f} ({one.spread[key][0]:.2f}-{one.spread[key][1]:.2f})" for key in keys)
        print(
            f"{name:>20}" + "".join(f"{cell:>20}" for cell in cells)
            + f"{one.mean_iou:>10.2f}{one.enough_iou:>8.2f}{len(one.hits):>6}"
        )  # fmt: skip
    for key, row in _against(ways[OURS], ways[PEAK_FINDER]).items():
        print(said(row, what=key, peer=PEAK_FINDER))


def _against(ours: Judged, peer: Judged) -> dict[str, dict[str, Any]]:
    return {
        key: less(ours.draws[key], peer.draws[key], difference=ours.figures[key] - peer.figures[key])
        for key in ("P@10", "F1@30")
    }


def _for_json(one: Judged) -> dict[str, Any]:
    last = max(COUNTS)
    return {
        "P@10": one.figures["P@10"],
        "precision": one.figures[f"P@{last}"],
        "recall": one.figures[f"R@{last}"],
        "F1": one.figures[f"F1@{last}"],
        "recall@10": one.figures["R@10"],
        "F1@10": one.figures["F1@10"],
        "mean IoU": one.mean_iou,
        f"IoU >= {ENOUGH_IOU:g}": one.enough_iou,
        "95 %": {key: list(found) for key, found in one.spread.items()},
    }
