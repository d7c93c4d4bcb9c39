"""Fit the chat weights on labelled bursts and write workers/analysis/weights.toml.

    python -m bench.train --bursts FILE [FILE ...] [--into FILE]

Streamers, and the watched clips (bursts with a `channel`) as one, are sample groups: a group's say grows with the
square root of its bursts.
"""

import argparse
from pathlib import Path

import numpy as np

from bench.bursts import RIDGE, Bursts, fit_bursts, held_out, read_bursts
from bench.judge_bursts import Figures, judge_bursts, judge_watched
from bench.product import FEATURES, WEIGHTS_FILE
from workers.analysis.scoring import Weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bursts", type=Path, nargs="+", required=True)
    parser.add_argument("--into", type=Path, default=WEIGHTS_FILE)
    given = parser.parse_args()
    bursts = read_bursts(given.bursts)
    text = written(bursts, fit_bursts(bursts))
    given.into.write_text(text, encoding="utf-8")
    print(text)


def written(bursts: Bursts, weights: Weights) -> str:
    """The file: how many numbers were fitted on what and how that does on those not seen, then the numbers."""
    lines = [
        "# Written by `python -m bench.train`: what chat_log_odds in scoring.py multiplies a burst's measures with.",
        f"# {len(weights)} numbers, fitted by logistic regression on {_amounts(bursts)}.",
        f"# Ridge {RIDGE:g} on standardised measures: {', '.join(FEATURES)}.",
        *(f"# {line}" for line in _held_out_figures(bursts)),
        *(f"{name} = {value:.3f}" for name, value in weights._asdict().items()),
        "# Digests of the streams and channels it was fitted on: bench.quality holds these out.",
        "trained_on = [",
        *(f'    "{digest}",' for digest in sorted(set(bursts.digests.tolist()))),
        "]",
        "trained_owners = [" + ", ".join(f'"{name}"' for name in np.unique(bursts.groups)) + "]",
    ]
    return "\n".join(lines) + "\n"


def _amounts(bursts: Bursts) -> str:
    said = []
    for watched, what, whose in ((False, "labelled bursts", "streamers"), (True, "watched clips", "channels")):
        part = bursts.where(bursts.watched == watched)
        if len(part.labels):
            liked, owners = int(part.labels.sum()), len(np.unique(part.groups))
            said.append(f"{len(part.labels)} {what} of {owners} {whose} ({liked} positive)")
    return " and ".join(said)


def _held_out_figures(bursts: Bursts) -> list[str]:
    parts = bursts.groups if len(np.unique(bursts.groups)) > 1 else bursts.streams
    if len(np.unique(parts)) < 2:
        return ["Nothing was left to hold out."]
    scores = held_out(bursts, parts)
    lines = []
    for name, inside, judge in (
        ("Bursts, macro over streamers", ~bursts.watched, judge_bursts),
        ("Watched clips, pooled", bursts.watched, judge_watched),
    ):
        if inside.any():
            ways = judge(bursts.where(inside), scores[inside])
            lines.append(f"{name}, held out in turn: {_said(ways['ours'])}; in random order: {_said(ways['chance'])}.")
    return lines


def _said(figures: Figures) -> str:
    return ", ".join(f"{key} {value:.3f}" for key, value in figures.items())


if __name__ == "__main__":
    main()
