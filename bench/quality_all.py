"""`make quality`: every measure of quality on all data there is, and whether anything plain does better.

    python -m bench.quality_all [--data DIR] [--bursts FILE ...] [--chats FILE ... [--intervals FILE.csv ...]]

Files given by name are measured alone; otherwise what lies in DIR: labelled_bursts*, watched_clips*, *_chat.json*,
and a chat's *_intervals.csv beside it. Given intervals belong to the given chats in their order. Chats without
intervals are only described. Ends with one JSON line. Exit code 1 when ours is under a peer on a main figure, 2 without
data.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from bench.judge_bursts import rounded
from bench.judge_chat import describe_chat, judge_chat
from bench.peers import PEERS
from bench.quality import on_bursts

# What must not be worse than with any peer.
MAIN = {"bursts": ("AP",), "watched": ("AUC",), "chats": ("F1", "P@10")}


class Data(NamedTuple):
    """bursts: files of labelled bursts or watched clips.  chats: each with its intervals, None without."""

    bursts: list[Path]
    chats: list[tuple[Path, Path | None]]


def found_in(folder: Path) -> Data:
    bursts = [path for form in ("labelled_bursts*.json*", "watched_clips*.json*") for path in sorted(folder.glob(form))]
    return Data(bursts, [(path, _beside(path)) for path in sorted(folder.glob("*_chat.json*"))])


def _beside(chat: Path) -> Path | None:
    intervals = chat.with_name(chat.name.partition("_chat.json")[0] + "_intervals.csv")
    return intervals if intervals.exists() else None


def given_by_name(bursts: list[Path], chats: list[Path], intervals: list[Path]) -> Data:
    """Raises ValueError when there are intervals, but not one file for each chat."""
    if not intervals:
        return Data(bursts, [(chat, _beside(chat)) for chat in chats])
    if len(intervals) != len(chats):
        raise ValueError(f"{len(chats)} chats but {len(intervals)} files of intervals")
    return Data(bursts, list(zip(chats, intervals, strict=True)))


def measure(data: Data) -> dict[str, Any]:
    """Prints every table."""
    results: dict[str, Any] = {}
    if data.bursts:
        print(f"Labelled: {', '.join(path.name for path in data.bursts)}")
        results |= on_bursts(data.bursts)
    for chat, intervals in data.chats:
        print(f"\n{chat.name}" + (f" with {intervals.name}" if intervals else ", no intervals"))
        kind, figures = ("chats", judge_chat(chat, intervals)) if intervals else ("unlabelled", describe_chat(chat))
        results.setdefault(kind, {})[chat.name] = figures
    return results


def under_a_peer(results: dict[str, Any]) -> list[str]:
    """A sentence for each main figure on which a peer does better."""
    judged: list[tuple[str, str, dict[str, Any]]] = [
        (kind, kind, results[kind]) for kind in ("bursts", "watched") if kind in results
    ]
    judged += [("chats", name, figures) for name, figures in results.get("chats", {}).items()]
    return [
        f"Ours is under {peer.said} on {name}, {figure}: {figures[figure]:.3f} < {figures[peer.name][figure]:.3f}"
        for kind, name, figures in judged
        for figure in MAIN[kind]
        for peer in PEERS
        if peer.name in figures and figures[figure] < figures[peer.name][figure]
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    for name in ("--bursts", "--chats", "--intervals"):
        parser.add_argument(name, type=Path, nargs="+", default=[])
    given = parser.parse_args()
    by_name = given.bursts or given.chats
    data = given_by_name(given.bursts, given.chats, given.intervals) if by_name else found_in(given.data)
    if not data.bursts and not data.chats:
        print(
            f"No labelled data in {given.data}. Give a folder with DATA=, or files with BURSTS= and CHATS= (with"
            " INTERVALS=); docs/quality.md says what they hold.",
            file=sys.stderr,
        )
        return 2
    results = measure(data)
    behind = under_a_peer(results)
    print("\n" + ("\n".join(behind) or "No peer is over ours on the main figures."))
    print(json.dumps(rounded(results | {"under a peer": behind}), ensure_ascii=False))
    return 1 if behind else 0


if __name__ == "__main__":
    sys.exit(main())
