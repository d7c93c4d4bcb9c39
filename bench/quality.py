"""How well the highlights match what people chose, beside plain peers in the same run.

    python -m bench.quality --bursts FILE [FILE ...] [--mask-channel-emotes]
    python -m bench.quality --chat FILE --intervals FILE.csv

Watched clips (bursts with a `channel`) may stand among the bursts and are judged apart from them. Streamers and
channels the shipped weights were fitted on are judged with weights fitted on all others given; the rest with the
shipped weights. Every run says which. Each form ends with one JSON line: ours at the top, the peers nested.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from bench.bursts import read_bursts
from bench.judge_bursts import (
    bursts_spread,
    for_json,
    judge_bursts,
    judge_watched,
    rounded,
    scored,
    watched_spread,
)
from bench.judge_chat import judge_chat
from bench.product import trained_on

KINDS = {"bursts": (judge_bursts, bursts_spread), "watched": (judge_watched, watched_spread)}


def on_bursts(paths: list[Path], *, only_masked: bool = False) -> dict[str, Any]:
    """Figures of the `bursts`, of the `watched` clips or of both: then each is judged by weights fitted on both."""
    results: dict[str, Any] = {}
    for mask in (True,) if only_masked else (False, True):
        bursts = read_bursts(paths, mask_channel_emotes=mask)
        found = scored(bursts, trained_on())
        print(f"\nChannel emotes {'masked' if mask else 'as they are'}; {found.said}")
        for name, (judge, spread) in KINDS.items():
            inside = bursts.watched == (name == "watched")
            if inside.any():
                part, scores = bursts.where(inside), found.scores[inside]
                ways = judge(part, scores)
                figures = for_json(ways) | spread(part, scores, ways)
                _keep(results, name, figures, masked=mask and not only_masked)
    return results


def _keep(results: dict[str, Any], name: str, figures: dict[str, Any], *, masked: bool) -> None:
    if masked:
        results[name] |= {f"masked {key}": figures[key] for key in ("P@10", "AP", "AUC")}
    else:
        results[name] = figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bursts", type=Path, nargs="+", default=[])
    parser.add_argument("--mask-channel-emotes", action="store_true")
    parser.add_argument("--chat", type=Path)
    parser.add_argument("--intervals", type=Path)
    given = parser.parse_args()
    if given.bursts:
        results = on_bursts(given.bursts, only_masked=given.mask_channel_emotes)
        figures = results.get("bursts") or results["watched"]
        if len(results) > 1:
            figures |= {"watched": results["watched"]}
    elif given.chat and given.intervals:
        figures = judge_chat(given.chat, given.intervals)
    else:
        parser.error("give --bursts FILE, or --chat FILE and --intervals FILE.csv")
    print(json.dumps(rounded(figures)))


if __name__ == "__main__":
    main()
