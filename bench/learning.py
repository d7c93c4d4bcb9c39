"""Whether a streamer's verdicts make the ranking of his next stream better.

    python -m bench.learning --bursts FILE ... [--verdicts 20]

The verdicts are the labels of the bursts that the ranking puts first on a stream; judged is the order of all bursts of
another stream of the same streamer: once for every ordered pair of his streams, once after verdicts on all his other
streams. The weights before are fitted with all of his streams held out. Ends with one JSON line.
"""

import argparse
import json
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.bursts import Bursts, fit_bursts, read_bursts
from bench.metrics import average_precision
from bench.product import FEATURES, log_odds
from bench.resampling import RESAMPLES
from shared.feedback import Verdict
from workers.analysis.learning import learned
from workers.analysis.scoring import Weights

VERDICTS = 20


class Case(NamedTuple):
    """judged: a stream.  verdicts: 0 when too little was said.  before, after: AP on the judged stream."""

    streamer: str
    judged: str
    verdicts: int
    before: float
    after: float

    @property
    def gain(self) -> float:
        return self.after - self.before


def cases(bursts: Bursts, *, verdicts: int = VERDICTS, together: bool = False) -> list[Case]:
    """Every stream with highlights, judged after verdicts on each other stream of its streamer, or on all of them."""
    found = []
    for streamer in np.unique(bursts.groups):
        own = bursts.groups == streamer
        streams = np.unique(bursts.streams[own]).tolist()
        if len(streams) < 2 or own.all():
            continue
        weights = fit_bursts(bursts.where(~own))
        said = {name: _verdicts(bursts.where(own & (bursts.streams == name)), weights, verdicts) for name in streams}
        for judged in streams:
            others = [said[name] for name in streams if name != judged]
            lessons = [list(chain.from_iterable(others))] if together else others
            found += [_case(bursts.where(own & (bursts.streams == judged)), one, weights) for one in lessons]
    return [case for case in found if not np.isnan(case.before)]


def _verdicts(bursts: Bursts, weights: Weights, count: int) -> list[Verdict]:
    """The labels of the bursts that the ranking puts first."""
    first = np.argsort(-log_odds(bursts.features, weights), kind="stable")[:count]
    return [Verdict(bool(bursts.labels[one]), FEATURES, tuple(bursts.features[one])) for one in first]


def _case(judged: Bursts, said: list[Verdict], weights: Weights) -> Case:
    tuning = learned(said, np.array([getattr(weights, name) for name in FEATURES]), names=FEATURES)
    before = log_odds(judged.features, weights)
    after = before + tuning.shift(judged.features) if tuning else before
    return Case(
        str(judged.groups[0]),
        str(judged.streams[0]),
        tuning.verdicts if tuning else 0,
        average_precision(judged.labels, before),
        average_precision(judged.labels, after),
    )


def figures(found: list[Case]) -> dict[str, float]:
    """Means. taught: cases with enough verdicts.  better, worse: shares of them whose AP rose, fell."""
    gains = np.array([case.gain for case in found])
    return {
        "cases": len(found),
        "taught": sum(case.verdicts > 0 for case in found),
        "AP before": float(np.mean([case.before for case in found])),
        "AP after": float(np.mean([case.after for case in found])),
        "better": float((gains > 0).mean()),
        "worse": float((gains < 0).mean()),
    }


def gain_interval(found: list[Case]) -> tuple[float, float]:
    """95 % of resamples of the judged streams: the cases of one stream are not independent."""
    judged = sorted({case.judged for case in found})
    gains = np.array([np.mean([case.gain for case in found if case.judged == name]) for name in judged])
    drawn = np.random.default_rng(0).integers(len(gains), size=(RESAMPLES, len(gains)))
    low, high = np.quantile(gains[drawn].mean(axis=1), (0.025, 0.975))
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bursts", type=Path, nargs="+", required=True)
    parser.add_argument("--verdicts", type=int, default=VERDICTS, help="how many are given on a stream")
    given = parser.parse_args()
    bursts = read_bursts(given.bursts)
    final: dict[str, float] = {}
    for title, together in (("one stream", False), ("all other streams", True)):
        found = cases(bursts, verdicts=given.verdicts, together=together)
        if not found:
            parser.error("no streamer has two streams and others to fit the weights on")
        print(f"\nVerdicts on {title}:")
        for streamer in sorted({case.streamer for case in found}):
            row = figures([case for case in found if case.streamer == streamer])
            print(f"{streamer:>12}  " + "  ".join(f"{key} {value:.3f}" for key, value in row.items()))
        low, high = gain_interval(found)
        row = figures(found) | {"gain from": low, "gain to": high}
        final |= {f"{title}: {name}": round(value, 4) for name, value in row.items()}
    print(json.dumps(final))


if __name__ == "__main__":
    main()
