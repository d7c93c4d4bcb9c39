"""`chat.jsonl`: one comment a line, in the order of the recording. Written by the chat stage, read by the analysis."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

# One for all: json.dumps with options would build an encoder for every comment.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class Emote(NamedTuple):
    """An emote that was written. id: the platform's."""

    id: str
    name: str


class Comment(NamedTuple):
    """One chat comment.

    offset_seconds: seconds from the start of the recording, never negative.  user: login, None when the account is
    gone.  badges: such as ("moderator", "subscriber").  bits: cheered with this comment.
    """

    id: str
    offset_seconds: float
    user: str | None
    text: str
    emotes: tuple[Emote, ...] = ()
    badges: tuple[str, ...] = ()
    bits: int = 0


def line_of(comment: Comment) -> str:
    """A line of `chat.jsonl`, with its end."""
    record = comment._asdict()
    record["emotes"] = [emote._asdict() for emote in comment.emotes]
    return _ENCODER.encode(record) + "\n"


def write_comment(file: IO[str], comment: Comment) -> None:
    """Append one line."""
    file.write(line_of(comment))


def read_comments(path: Path) -> Iterator[Comment]:
    """Every comment of a `chat.jsonl`, streamed."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            record["emotes"] = tuple(Emote(**emote) for emote in record["emotes"])
            record["badges"] = tuple(record["badges"])
            yield Comment(**record)
