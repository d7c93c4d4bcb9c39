"""What a score means: real chats beside the same chats without moments, and labelled bursts by score.

    python -m bench.calibration --chats CHAT.json.gz ... [--bursts FILE ...] [--intervals FILE.csv ...]

Shuffled texts: the real seconds, each with a random comment of the stream (the bursts stay, what they say goes).
Shuffled times: every comment at a random second. Steady: the same comments in random order, evenly spread. Bursts are
scored by weights that have not seen their streamer or channel. Intervals belong to the first chats, in order. Ends
with one JSON line.
"""

import argparse
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.bursts import Bursts, held_out, read_bursts
from bench.judge_bursts import rounded
from bench.metrics import Floats, match
from bench.product import Found, find_in_chat, probability
from bench.read import read_chat, read_intervals
from shared.emotions import EMOTIONS
from workers.chatlog import Comment

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
COUNT = 50
BINS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.85, 1.0)
BEST_OF_STREAM, BEST_OF_ALL = (1, 3, 5), (5, 10, 20)
# Before the other emotions: joy, sadness and anger are the ones most easily discounted.
JUDGED_FIRST = ("happiness", "sadness", "anger")
Chat = list[Comment]
Random = np.random.Generator


def shuffled_times(comments: Chat, random: Random) -> Chat:
    end = max(comment.offset_seconds for comment in comments)
    return _at(comments, np.sort(random.random(len(comments)) * end), random)


def shuffled_texts(comments: Chat, random: Random) -> Chat:
    return _at(comments, np.array([comment.offset_seconds for comment in comments]), random)


def steady(comments: Chat, random: Random) -> Chat:
    return _at(comments, np.linspace(0.0, max(comment.offset_seconds for comment in comments), len(comments)), random)


def _at(comments: Chat, times: Floats, random: Random) -> Chat:
    """The comments in random order at `times`."""
    order = random.permutation(len(comments))
    return [comments[place]._replace(offset_seconds=float(time)) for place, time in zip(order, times, strict=True)]


WITHOUT_MOMENTS: dict[str, Callable[[Chat, Random], Chat]] = {
    "shuffled texts": shuffled_texts,
    "shuffled times": shuffled_times,
    "steady": steady,
}


def on_chats(paths: list[Path]) -> dict[str, Any]:
    """Prints how many highlights stand above each level, and how many of them were given an emotion."""
    head = "".join(f"{level:>6}" for level in LEVELS)
    print(f"Highlights (of {COUNT}) with a score above:\n{'':>34}{head}   highest  with emotion")
    result: dict[str, Any] = {}
    for path in paths:
        comments, random = read_chat(path), np.random.default_rng(1)
        chats = {"real": comments} | {name: change(comments, random) for name, change in WITHOUT_MOMENTS.items()}
        for name, chat in chats.items():
            found = find_in_chat(chat, count=COUNT)
            highest, told = (
                max((one.score for one in found), default=0.0),
                sum(one.emotion is not None for one in found),
            )
            counts = "".join(f"{sum(one.score > level for one in found):>6}" for level in LEVELS)
            print(f"{path.name[:18]:>18} {name:>15}{counts}{highest:>10.3f}{told:>14}")
            over = sum(one.score > 0.3 for one in found)
            row = {"over 0.3": over, "highest": highest, "with emotion": told, "found": len(found)}
            result.setdefault(path.name, {})[name] = row
    return result


def on_intervals(chats: list[Path], intervals: list[Path]) -> list[dict[str, Any]]:
    """Of a whole stream's highlights: shares that hit what a person drew, by score."""
    scores, hits = [], []
    for chat, wanted in zip(chats, intervals, strict=False):
        found: list[Found] = find_in_chat(read_chat(chat), count=COUNT)
        scores += [one.score for one in found]
        matched = match([(one.start_s, one.end_s) for one in found], read_intervals(wanted))
        hits += [float(hit is not None) for hit in matched]
    print(f"\nHighlights (of {COUNT}) of whole streams by score, and the share that hit an interval a person drew:")
    return by_score(np.array(scores), np.array(hits))


def by_score(scores: Floats, labels: Floats) -> list[dict[str, Any]]:
    """Prints and returns a row for each bin of scores that holds any."""
    rows = []
    for low, high in pairwise(BINS):
        inside = (scores >= low) & ((scores < high) | (high == BINS[-1]))
        if inside.any():
            rows.append({"from": low, "to": high} | _share(scores[inside], labels[inside]))
            print(f"  {low:.2f} - {high:.2f}: {_told(rows[-1])}")
    return rows


def _share(scores: Floats, labels: Floats) -> dict[str, Any]:
    low, high = wilson(int(labels.sum()), len(labels))
    mean, share = float(scores.mean()), float(labels.mean())
    return {"mean score": mean, "share": share, "95 %": [low, high], "count": len(labels)}


def _told(row: dict[str, Any]) -> str:
    low, high = row["95 %"]
    return f"mean score {row['mean score']:.2f}, share {row['share']:.2f} ({low:.2f}-{high:.2f}) of {row['count']}"


def wilson(hits: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927, doi:10.2307/2276774)."""
    z = 1.96
    middle = (hits + z * z / 2) / (count + z * z)
    half = z / (count + z * z) * (hits * (count - hits) / count + z * z / 4) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def on_bursts(paths: list[Path]) -> dict[str, Any]:
    """Of bursts and of watched clips: shares that are highlights, by score, by emotion, and of each stream's best."""
    bursts = read_bursts(paths)
    parts = bursts.groups if len(np.unique(bursts.groups)) > 1 else bursts.streams
    scores = probability(held_out(bursts, parts))
    result: dict[str, Any] = {}
    for name, inside in (("labelled bursts", ~bursts.watched), ("watched clips", bursts.watched)):
        if inside.any():
            part = bursts.where(inside)
            print(f"\nHighlights among {name} by the score of those who have not seen the streamer or channel:")
            result[name] = {"by score": by_score(scores[inside], part.labels)}
            result[name]["by emotion"] = by_emotion(part, scores[inside])
            result[name]["best"] = best(part, scores[inside])
    return result


def by_emotion(bursts: Bursts, scores: Floats) -> dict[str, Any]:
    """By the emotion that most of a burst's reactions show; prints and returns a row each."""
    emotions = np.array([name or "none" for name in bursts.emotions])
    rows = {}
    for name in (*JUDGED_FIRST, *(one for one in EMOTIONS if one not in JUDGED_FIRST), "none"):
        inside = emotions == name
        if inside.any():
            rows[name] = _share(scores[inside], bursts.labels[inside])
            print(f"  {name:>12}: {_told(rows[name])}")
    return rows


def best(bursts: Bursts, scores: Floats) -> dict[str, Any]:
    """The highest scores are the likeliest to be too high: how often those are right.

    The highest of each stream; of watched clips, of which a channel has few, the highest of all.
    """
    pooled = bool(bursts.watched.any())
    streams = np.zeros(len(scores)) if pooled else np.unique(bursts.streams, return_inverse=True)[1]
    rows = {}
    for count in BEST_OF_ALL if pooled else BEST_OF_STREAM:
        chosen = np.zeros(len(scores), dtype=bool)
        for stream in np.unique(streams):
            chosen[_highest(scores, streams == stream, count)] = True
        name = f"best {count}" if pooled else f"best {count} of each stream"
        rows[name] = _share(scores[chosen], bursts.labels[chosen])
        print(f"  {name}: {_told(rows[name])}")
    return rows


def _highest(scores: Floats, inside: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
    places = np.nonzero(inside)[0]
    return places[np.argsort(-scores[places], kind="stable")[:count]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chats", type=Path, nargs="+", required=True)
    parser.add_argument("--bursts", type=Path, nargs="+", default=[])
    parser.add_argument("--intervals", type=Path, nargs="+", default=[])
    given = parser.parse_args()
    result: dict[str, Any] = {"chats": on_chats(given.chats)}
    if given.intervals:
        result["whole streams"] = on_intervals(given.chats, given.intervals)
    if given.bursts:
        result |= on_bursts(given.bursts)
    print(json.dumps(rounded(result)))


if __name__ == "__main__":
    main()
