"""The highlights of a chat as a reader sees them, to be judged by eye.

python -m bench.show --chat FILE [--words FILE.csv.gz] [--count N]
"""

import argparse
import csv
import gzip
import json
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.read import read_chat
from workers.analysis.chat_signals import chat_grid
from workers.analysis.highlights import Found, find_highlights
from workers.analysis.scoring import fuse
from workers.analysis.timeline import write_timeline
from workers.analysis.word_signals import read_words, word_grid
from workers.chatlog import Comment, write_comment


def found_in(comments: list[Comment], words: Path | None, *, count: int, folder: Path) -> Found:
    """Highlights from the chat and, if given, from words with times, by the stages' own functions."""
    duration = max(comment.offset_seconds for comment in comments) + 1
    transcript = None if words is None else _transcript(words, folder / "transcript.json")
    spoken = None if transcript is None else word_grid(read_words(transcript), seconds=ceil(duration))
    timeline = fuse(chat=chat_grid(comments, duration_s=duration), sound=None, words=spoken, duration_s=duration)
    write_timeline(timeline, folder / "timeline.json")
    with (folder / "chat.jsonl").open("w", encoding="utf-8") as file:
        for comment in comments:
            write_comment(file, comment)
    return find_highlights(
        timeline=folder / "timeline.json",
        chat=folder / "chat.jsonl",
        transcript=transcript,
        duration_s=duration,
        count=count,
        watch_url=None,
    )


def _transcript(words: Path, into: Path) -> Path:
    with gzip.open(words, "rt", encoding="utf-8", newline="") as file:
        listed = [
            {"word": row["word"], "start": float(row["start_time"]), "end": float(row["end_time"])}
            for row in csv.DictReader(file)
        ]
    into.write_text(json.dumps({"words": listed}), encoding="utf-8")
    return into


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02d}:{int(seconds) % 60:02d}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chat", type=Path, required=True)
    parser.add_argument("--words", type=Path)
    parser.add_argument("--count", type=int, default=10)
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        found = found_in(read_chat(given.chat), given.words, count=given.count, folder=Path(folder))
    for one in found.highlights:
        when = f"{_clock(one.start_seconds)} - {_clock(one.peak_seconds)} - {_clock(one.end_seconds)}"
        print(f"\n{one.rank:>2}  {when}  {one.score:.3f}  {one.emotion or '-'}  {one.title}")
        print("    " + " ".join(one.reasons))
        print("    " + " | ".join(one.chat_sample or ()))
        print(f"    surge {one.signals['surge']:.2f}, reacting {one.signals['reacting']:.2f}")


if __name__ == "__main__":
    main()
