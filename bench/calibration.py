"""What a score means: highlights found in real chats beside the same chats shuffled, and labelled bursts by score.

    python -m bench.calibration --chats CHAT.json.gz ... [--bursts FILE]

Shuffled times: every comment at a random second. Shuffled texts: the real seconds, each with a random comment of the
stream (the bursts stay, what they say goes). Ends with one JSON line.
"""

import argparse
import json
from itertools import pairwise
from pathlib import Path

import numpy as np

from bench.bursts import held_out, read_bursts
from bench.read import read_chat
from workers.analysis.chat_signals import chat_grid
from workers.analysis.scoring import fuse
from workers.analysis.selection import select
from workers.analysis.stats import sigmoid
from workers.chatlog import Comment

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
COUNT = 50
BINS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.01)


def scores_of(comments: list[Comment]) -> list[float]:
    """Scores of the best COUNT highlights."""
    duration = max(comment.offset_seconds for comment in comments) + 1
    timeline = fuse(chat=chat_grid(comments, duration_s=duration), sound=None, words=None, duration_s=duration)
    return [moment.score for moment in select(timeline, None, count=COUNT)]


def shuffled_times(comments: list[Comment], random: np.random.Generator) -> list[Comment]:
    end = max(comment.offset_seconds for comment in comments)
    times = np.sort(random.random(len(comments)) * end)
    order = random.permutation(len(comments))
    return [comments[place]._replace(offset_seconds=float(time)) for place, time in zip(order, times, strict=True)]


def shuffled_texts(comments: list[Comment], random: np.random.Generator) -> list[Comment]:
    order = random.permutation(len(comments))
    return [
        comments[place]._replace(offset_seconds=comment.offset_seconds)
        for place, comment in zip(order, comments, strict=True)
    ]


def _above(scores: list[float]) -> list[int]:
    return [sum(score > level for score in scores) for level in LEVELS]


def on_chats(paths: list[Path]) -> dict[str, dict[str, int]]:
    print(f"Highlights (of {COUNT}) with a score above:\n{'':>34}" + "".join(f"{level:>6}" for level in LEVELS))
    result = {}
    for path in paths:
        comments = read_chat(path)
        random = np.random.default_rng(1)
        found = {
            "real": scores_of(comments),
            "shuffled texts": scores_of(shuffled_texts(comments, random)),
            "shuffled times": scores_of(shuffled_times(comments, random)),
        }
        for name, scores in found.items():
            print(f"{path.name[:18]:>18} {name:>15}" + "".join(f"{count:>6}" for count in _above(scores)))
        result[path.name] = {f"{name} over 0.5": sum(score > 0.5 for score in scores) for name, scores in found.items()}
    return result


def on_bursts(path: Path) -> None:
    """Share of highlights among labelled bursts, by the score given without having seen their stream."""
    bursts = read_bursts([path])
    scores = sigmoid(held_out(bursts, bursts.streams))
    print("\nLabelled bursts by the score of their words, streams held out in turn:")
    for low, high in pairwise(BINS):
        inside = (scores >= low) & (scores < high)
        if inside.any():
            share, mean = bursts.labels[inside].mean(), scores[inside].mean()
            print(
                f"  {low:.1f} - {min(high, 1.0):.1f}: mean score {mean:.2f}, {share:.2f} of {inside.sum()} highlights"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chats", type=Path, nargs="+", required=True)
    parser.add_argument("--bursts", type=Path)
    given = parser.parse_args()
    result = on_chats(given.chats)
    if given.bursts:
        on_bursts(given.bursts)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
