"""How fast chat becomes signals, beside the same counts in plain pandas; one core.

    python -m bench.chat_speed [--chat CHAT.json.gz] [--comments N]

Without a chat it makes one up (half of the messages repeat, as in real chats). Both start from comments in memory. The
pandas version counts what the grid counts, per second: messages, unique chatters, emotions and crowds by word lists on
split text, questions, mentions, commands, capitals, stretched letters, copies, one user's spam, top emotes. Ends with
one JSON line.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from bench.read import read_chat
from shared.emotions import EMOTIONS
from workers.analysis.chat_signals import chat_grid
from workers.analysis.lexicon import CROWDS, emote_names, lexicon
from workers.chatlog import Comment

ROUNDS = 3
_TALK = "the a this is that what how why game play you he they so it was on in to of boss run level build"


def made_up(count: int, *, hours: float, seed: int = 3) -> list[Comment]:
    """A chat of `count` comments: stock reactions, and sentences of six words that hardly repeat."""
    random = np.random.default_rng(seed)
    stock = [*list(lexicon().emotions)[:400], "hello everyone", "!uptime", "gg wp", "LUL LUL LUL", "what was that"]
    talk = _TALK.split()
    times = np.sort(random.random(count)) * hours * 3600
    users = random.zipf(1.4, count) % 20_000
    comments = []
    for place in range(count):
        words = stock[int(random.integers(len(stock)))]
        if random.random() < 0.5:
            words = " ".join(talk[int(index)] for index in random.integers(0, len(talk), 6))
        comments.append(Comment(str(place), float(times[place]), f"user{users[place]}", words))
    return comments


def in_pandas(comments: list[Comment], duration_s: float) -> int:
    """The counts as an analyst would write them; returns their sum so that nothing is left out."""
    frame = pd.DataFrame({"at": [c.offset_seconds for c in comments], "user": [c.user for c in comments]})
    frame["second"] = frame["at"].astype(int)
    text = frame["text"] = pd.Series([c.text for c in comments])
    frame["spam"] = frame.groupby([frame["user"], frame["second"] // 10]).cumcount()
    frame["copies"] = frame.groupby([frame["text"], frame["second"] // 30])["text"].transform("size") >= 3
    frame["question"] = text.str.contains(r"\?$", regex=True)
    frame["mention"] = text.str.contains("@", regex=False)
    frame["command"] = text.str.startswith("!")
    frame["loud"] = text.str.isupper() | text.str.contains(r"(?:!!|\?\?|a{4}|o{4}|e{4})", regex=True)
    seconds = range(int(duration_s) + 1)
    grouped = frame.groupby("second")
    total = int(grouped.size().reindex(seconds, fill_value=0).sum())
    total += int(grouped["user"].nunique().reindex(seconds, fill_value=0).sum())
    for name in ("spam", "copies", "question", "mention", "command", "loud"):
        total += int(grouped[name].sum().reindex(seconds, fill_value=0).sum())
    exploded = pd.DataFrame({"second": frame["second"], "written": text.str.split()}).explode("written")
    exploded["word"] = exploded["written"].str.lower()
    total += int(exploded["written"][exploded["written"].isin(emote_names())].value_counts().head(20).sum())
    lists = [(lexicon().emotions, index) for index in range(len(EMOTIONS))]
    lists += [(lexicon().crowds, index) for index in range(len(CROWDS))]
    for words, index in lists:
        found = exploded["word"].isin([word for word, meant in words.items() if meant == index])
        total += int(found.groupby(exploded["second"]).sum().reindex(seconds, fill_value=0).sum())
    return total


def fastest(work: Callable[[], object]) -> float:
    """CPU seconds of the fastest of ROUNDS runs: others may be using the machine."""
    times = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chat", type=Path)
    parser.add_argument("--comments", type=int, default=60_000)
    given = parser.parse_args()
    comments = read_chat(given.chat) if given.chat else made_up(given.comments, hours=2.4)
    duration = max(comment.offset_seconds for comment in comments) + 1
    ours = fastest(lambda: chat_grid(comments, duration_s=duration))
    pandas = fastest(lambda: in_pandas(comments, duration))
    figures = {
        "comments": len(comments),
        "comments_per_second": round(len(comments) / ours),
        "pandas_comments_per_second": round(len(comments) / pandas),
        "ratio_to_pandas": round(pandas / ours, 2),
    }
    print(f"{figures['comments_per_second']} comments a second, {figures['ratio_to_pandas']} times plain pandas.")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
