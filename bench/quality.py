"""How well the highlights match what people chose.

    python -m bench.quality --bursts FILE [--mask-channel-emotes]
    python -m bench.quality --chat FILE --intervals FILE.csv

Streams the shipped weights were fitted on are judged with weights fitted on the file's other streams; all others with
the shipped weights. Every run says which. Each form ends with one JSON line.
"""

import argparse
import csv
import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np

from bench.bursts import Bursts, average_precision, chance, fit, precision_at, read_bursts, read_json, score
from workers.analysis import scoring
from workers.analysis.chat_signals import chat_grid
from workers.analysis.selection import select
from workers.analysis.stats import Floats
from workers.chatlog import Comment, Emote

FOUND_HIGHLIGHTS = 30
WIDENED_S = 5.0
Figures = dict[str, float]


def trained_on() -> frozenset[str]:
    data = tomllib.loads(Path(scoring.__file__).with_name("weights.toml").read_text(encoding="utf-8"))
    return frozenset(data.get("trained_on", ()))


def held_out(bursts: Bursts) -> Floats:
    """Scores of every burst by weights fitted on the other streams."""
    scores = np.zeros(len(bursts.labels))
    for stream in bursts.names():
        inside = bursts.of(stream)
        scores[inside] = score(bursts.features[inside], fit(bursts.features[~inside], bursts.labels[~inside]))
    return scores


def judge(bursts: Bursts, scores: Floats) -> dict[str, Figures]:
    """P@10 and AP per stream, beside chance. Streams without a highlight have no AP and are left out."""
    rows = {}
    for stream in bursts.names():
        inside = bursts.of(stream)
        labels = bursts.labels[inside]
        if labels.any():
            random = chance(labels)
            rows[stream] = {
                "P@10": precision_at(labels, scores[inside]),
                "AP": average_precision(labels, scores[inside]),
                "chance P@10": random[0],
                "chance AP": random[1],
            }
    return rows


def macro(rows: dict[str, Figures]) -> Figures:
    names = next(iter(rows.values()))
    return {name: float(np.mean([row[name] for row in rows.values()])) for name in names}


def _scores(bursts: Bursts, digests: dict[str, str]) -> tuple[Floats, list[str]]:
    known = [name for name in bursts.names() if digests[name] in trained_on()]
    shipped = score(bursts.features, scoring.shipped_weights())
    if not known or len(bursts.names()) < 2:
        return shipped, []
    in_turn = held_out(bursts)
    return np.where(np.isin(bursts.streams, known), in_turn, shipped), known


def on_bursts(path: Path, *, only_masked: bool) -> None:
    results = {}
    for mask in (True,) if only_masked else (False, True):
        bursts, digests = read_bursts(path, mask_channel_emotes=mask)
        scores, known = _scores(bursts, digests)
        print(f"\nChannel emotes {'masked' if mask else 'as they are'}; {_said(known, bursts)}")
        rows = judge(bursts, scores)
        for name, row in [*rows.items(), ("macro", macro(rows))]:
            print(f"{name:>12}  " + "  ".join(f"{key} {value:.3f}" for key, value in row.items()))
        results[mask] = macro(rows) | {"streams": len(rows), "held_out": len(known)}
    final = results.get(False, results[True])
    if not only_masked:
        final |= {"masked P@10": results[True]["P@10"], "masked AP": results[True]["AP"]}
    print(json.dumps({name: round(value, 4) for name, value in final.items()}))


def _said(known: list[str], bursts: Bursts) -> str:
    if not known:
        return "the shipped weights on every stream."
    rest = len(bursts.names()) - len(known)
    return f"{len(known)} streams of the training data held out in turn, {rest} others with the shipped weights."


def read_chat(path: Path) -> list[Comment]:
    """A TwitchDownloader chat JSON, plain or gzip, in order."""
    comments = [_comment(place, record) for place, record in enumerate(read_json(path)["comments"])]
    return sorted(comments, key=lambda comment: comment.offset_seconds)


def _comment(place: int, record: dict[str, Any]) -> Comment:
    message, commenter = record.get("message") or {}, record.get("commenter") or {}
    emotes = [
        Emote(str(part["emoticon"].get("emoticon_id", "")), str(part.get("text", "")))
        for part in message.get("fragments") or ()
        if part.get("emoticon")
    ]
    user = commenter.get("name") or commenter.get("display_name")
    offset = max(0.0, float(record.get("content_offset_seconds") or 0.0))
    return Comment(str(place), offset, user, str(message.get("body") or ""), tuple(emotes))


def read_intervals(path: Path) -> list[tuple[float, float]]:
    """Lines of `start,end` in seconds; a first line of names may stand before them, in either order."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.reader(file, skipinitialspace=True) if row]
    names = [name.strip().lower() for name in rows[0]] if rows else []
    start, end = (names.index("start"), names.index("end")) if {"start", "end"} <= set(names) else (0, 1)
    lines = rows[1:] if "start" in names else rows
    return sorted((float(row[start]), float(row[end])) for row in lines)


def find_in_chat(comments: list[Comment], *, count: int = FOUND_HIGHLIGHTS) -> list[tuple[float, float]]:
    """The best highlights' start and end from the chat alone, best first."""
    duration = max((comment.offset_seconds for comment in comments), default=0.0) + 1.0
    grid = chat_grid(comments, duration_s=duration)
    timeline = scoring.fuse(chat=grid, sound=None, words=None, duration_s=duration)
    return [(moment.start_s, moment.end_s) for moment in select(timeline, None, count=count)]


def match(found: list[tuple[float, float]], wanted: list[tuple[float, float]]) -> list[bool]:
    """Which of `found`, best first, hit an interval no better one has taken (the one they overlap most)."""
    free = list(wanted)
    hits = []
    for start, end in found:
        shared = [min(end, high + WIDENED_S) - max(start, low - WIDENED_S) for low, high in free]
        best = int(np.argmax(shared)) if shared else -1
        hits.append(best >= 0 and shared[best] >= 0)
        if hits[-1]:
            del free[best]
    return hits


def on_chat(chat: Path, intervals: Path) -> None:
    wanted = read_intervals(intervals)
    found = find_in_chat(read_chat(chat))
    hits = match(found, wanted)
    print(f"{len(found)} highlights from the chat alone against {len(wanted)} intervals, shipped weights.")
    for place, ((start, end), hit) in enumerate(zip(found, hits, strict=True), start=1):
        print(f"{place:>3}  {start:>9.1f} - {end:>9.1f}  {'hit' if hit else '-'}")
    precision = sum(hits) / len(hits) if hits else 0.0
    recall = sum(hits) / len(wanted) if wanted else 0.0
    both = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    figures = {"P@10": sum(hits[:10]) / 10, "precision": precision, "recall": recall, "F1": both}
    print(json.dumps({name: round(value, 4) for name, value in figures.items()} | {"found": len(found)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bursts", type=Path)
    parser.add_argument("--mask-channel-emotes", action="store_true")
    parser.add_argument("--chat", type=Path)
    parser.add_argument("--intervals", type=Path)
    given = parser.parse_args()
    if given.bursts:
        on_bursts(given.bursts, only_masked=given.mask_channel_emotes)
    elif given.chat and given.intervals:
        on_chat(given.chat, given.intervals)
    else:
        parser.error("give --bursts FILE, or --chat FILE and --intervals FILE.csv")


if __name__ == "__main__":
    main()
