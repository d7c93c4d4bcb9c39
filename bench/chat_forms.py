"""A chat of a million comments in each form: seconds and memory of its import, beside json.load of the first form.

    python -m bench.chat_forms [--comments 1000000] [--form NAME]

Each import runs in a process of its own. Ends with one JSON line.
"""

import argparse
import gzip
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from shared.progress import silent
from workers.download.chat_import import import_chat
from workers.download.chat_placing import Recording

ROOT = Path(__file__).resolve().parent.parent
LIMIT_MB = 300
HOURS = 10
WORDS = ("nice", "play", "gg", "what a shot", "lol", "wow", "no way", "close", "hahaha", "insane", "LUL", "clip it")


def said(count: int) -> Iterator[tuple[float, str, str]]:
    """Seconds, name and text of each comment, in order."""
    rng = random.Random(1)
    for number in range(count):
        at_s = round(number * HOURS * 3600 / count, 3)
        yield at_s, f"viewer_{rng.randrange(20_000)}", " ".join(rng.choices(WORDS, k=rng.randint(1, 8)))


def clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def twitch_downloader(number: int, at_s: float, user: str, text: str) -> dict[str, Any]:
    return {
        "_id": f"{number:032x}",
        "created_at": "2026-01-10T19:00:01.065Z",
        "channel_id": "900000001",
        "content_offset_seconds": at_s,
        "commenter": {"display_name": user.title(), "_id": "910000054", "name": user},
        "message": {
            "body": text,
            "bits_spent": 0,
            "fragments": [{"text": text, "emoticon": None}],
            "user_badges": [{"_id": "premium", "version": "1"}],
            "user_color": "#FF7F50",
            "emoticons": [],
        },
    }


def chat_downloader(number: int, at_s: float, user: str, text: str) -> dict[str, Any]:
    return {
        "message_id": f"{number:032x}",
        "message": text,
        "message_type": "text_message",
        "time_in_seconds": at_s,
        "timestamp": int((1.7e9 + at_s) * 1e6),
        "author": {"id": "1", "name": user, "display_name": user.title(), "badges": [{"name": "premium"}]},
        "emotes": [],
    }


def graphql(number: int, at_s: float, user: str, text: str) -> dict[str, Any]:
    return {
        "id": f"{number:032x}",
        "commenter": {"id": "1", "login": user, "displayName": user.title()},
        "contentOffsetSeconds": int(at_s),
        "createdAt": "2026-01-01T00:00:00Z",
        "message": {"fragments": [{"text": text, "emote": None}], "userBadges": [{"setID": "premium"}]},
    }


def youtube(number: int, at_s: float, user: str, text: str) -> dict[str, Any]:
    renderer = {
        "message": {"runs": [{"text": text}]},
        "authorName": {"simpleText": user},
        "authorPhoto": {"thumbnails": [{"url": "https://example.com/" + "x" * 80, "width": 32}] * 2},
        "id": f"{number:032x}",
        "timestampUsec": "1700000000000000",
    }
    action = {"addChatItemAction": {"item": {"liveChatTextMessageRenderer": renderer}, "clientId": "x"}}
    return {"replayChatItemAction": {"actions": [action], "videoOffsetTimeMsec": str(int(at_s * 1000))}}


Record = Callable[[int, float, str, str], object]


def _records(record: Record, count: int) -> Iterator[str]:
    return (
        json.dumps(record(number, *one), ensure_ascii=False, separators=(",", ":"))
        for number, one in enumerate(said(count))
    )


def _array(record: Record, before: str, after: str) -> Callable[[int], Iterator[str]]:
    def pieces(count: int) -> Iterator[str]:
        yield before
        yield from (f"{',' if number else ''}{text}" for number, text in enumerate(_records(record, count)))
        yield after

    return pieces


def _lines(record: Record) -> Callable[[int], Iterator[str]]:
    return lambda count: (text + "\n" for text in _records(record, count))


def _text(line: Callable[[float, str, str], str], before: str = "") -> Callable[[int], Iterator[str]]:
    return lambda count: chain([before], (line(*one) + "\n" for one in said(count)))


FORMS: dict[str, Callable[[int], Iterator[str]]] = {
    "TwitchDownloader": _array(twitch_downloader, '{"video":{"start":0},"comments":[', '],"embeddedData":null}'),
    "TwitchDownloader, trimmed": _array(twitch_downloader, '{"comments":[', '],"video":{"start":0.5,"end":36000.5}}'),
    "chat-downloader": _array(chat_downloader, "[", "]"),
    "chat-downloader, lines": _lines(chat_downloader),
    "GraphQL": _array(graphql, '{"comments":[', "]}"),
    "GraphQL, edges": _array(lambda *one: {"cursor": "x" * 50, "node": graphql(*one)}, "[", "]"),
    "YouTube": _lines(youtube),
    "text": _text(lambda at_s, user, text: f"[{clock(at_s)}] {user}: {text}"),
    "Chatterino": _text(
        lambda at_s, user, text: f"[{clock(at_s)}]  {user}: {text}", "# Start logging at 2026-01-01 00:00:00 CET\n"
    ),
    "IRC, UTC": _text(lambda at_s, user, text: f"[2026-01-01 {clock(at_s).zfill(8)} UTC] <{user}> {text}"),
    "CSV": _text(lambda at_s, user, text: f"{at_s},{user},{text}", "time,user,message\n"),
    "CSV, h:mm:ss": _text(lambda at_s, user, text: f'"{clock(at_s)}";"{user}";"{text}"', "time;user;message\n"),
}


def write(form: str, count: int, folder: Path) -> None:
    """The chat as `chat` in `folder`; trimmed chats packed, to have that in as well."""
    opened = gzip.open if "trimmed" in form else open
    with opened(folder / "chat", "wt", encoding="utf-8") as file:
        file.writelines(FORMS[form](count))


def ours(folder: Path) -> dict[str, float]:
    begun = time.process_time()
    summary = import_chat(
        folder / "chat", folder / "chat.jsonl", work=folder, progress=silent, recording=Recording(HOURS * 3600)
    )
    return {"seconds": round(time.process_time() - begun, 2), "comments": summary.messages}


def peer(folder: Path) -> dict[str, float]:
    begun = time.process_time()
    with (folder / "chat").open(encoding="utf-8") as file:
        found = json.load(file)["comments"]
    return {"seconds": round(time.process_time() - begun, 2), "comments": len(found)}


def measure(way: str, folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.chat_forms", "--way", way, "--folder", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comments", type=int, default=1_000_000)
    parser.add_argument("--form", choices=tuple(FORMS), action="append")
    parser.add_argument("--way", choices=("ours", "peer"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.way:
        result = {"ours": ours, "peer": peer}[asked.way](asked.folder)
        megabytes = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
        print(json.dumps(result | {"mb": megabytes}))
        return
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        for form in asked.form or FORMS:
            write(form, asked.comments, Path(name))
            found[form] = measure("ours", Path(name))
            if form == "TwitchDownloader":
                found["json.load, whole"] = measure("peer", Path(name))
            print(f"{form}: {found[form]}", flush=True)
    largest = max(one["mb"] for form, one in found.items() if form != "json.load, whole")
    print(f"largest: {largest} MB of {LIMIT_MB}; json.load of the first: {found.get('json.load, whole')}")
    print(json.dumps({"bench": "chat_forms", "comments": asked.comments, "largest_mb": largest, "forms": found}))
    sys.exit(largest > LIMIT_MB)


if __name__ == "__main__":
    main()
