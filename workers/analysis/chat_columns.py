"""The comments of a chat as columns: text and user as numbers into tables, so that what repeats is read once."""

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from shared.progress import Progress, silent
from workers.analysis.messages import Reader, Reading
from workers.analysis.stats import Floats, Ints
from workers.chatlog import Comment

MAX_TEXT_CHARS = 500
LONG_TOKENS = 6  # different ones: pasted text, not one word written many times
_RAIDS = ("raiders from", " is raiding with a party of")
_NOTICES = ("subscribed with prime", "subscribed at tier", " gifted a tier", " is gifting ", *_RAIDS)
_UNIT = re.compile(r"(.{1,4}?)\1+", re.DOTALL)
_MAX_KIND_CHARS = 24
_PASTED_CHARS = 70
_END_MARKS = ".,!?~…。！？"
_KIND_TOKENS = 3


@dataclass
class Columns:
    """One entry per comment in order of time. text, user: places in `texts` and `users`.  at: seconds, fractions kept.

    nameless: whether the account is not known; each such comment counts as one chatter of its own.
    """

    texts: dict[str, int] = field(default_factory=dict)
    users: dict[str, int] = field(default_factory=dict)
    text: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    user: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    at: Floats = field(default_factory=lambda: np.zeros(0))
    nameless: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))
    bits: list[tuple[int, int]] = field(default_factory=list)
    emotes: Counter[str] = field(default_factory=Counter)

    @property
    def second(self) -> Ints:
        """The second of each comment, from the start of the recording; shape (comments,)."""
        return self.at.astype(np.int64)


@dataclass(frozen=True)
class TextTable:
    """What every different text says, in the order of `Columns.texts`; shape (texts,) each.

    emotion: index in EMOTIONS, -1 for none.  kind: number of the text when reduced to its meaning ("LUL lul" and
    "LULLL" are one), -1 for texts that are long.  plain: a kind that is written as it is meant, without stretching.
    The rest are shares 0-1 of what `Reading` calls them.
    """

    emotion: Ints
    kind: Ints
    reaction: Floats
    loud: Floats
    shout: Floats
    clip: Floats
    crowd: Floats
    command: Floats
    known: Floats
    sentiment: Floats
    long: NDArray[np.bool_]
    plain: NDArray[np.bool_]
    notice: NDArray[np.bool_]
    raid: NDArray[np.bool_]


def gather(comments: Iterable[Comment], seconds: int, progress: Progress = silent) -> Columns:
    """The comments with 0 <= offset < `seconds`. The sort is stable: what is in order stays so."""
    columns = Columns()
    text, user, at, nameless = array("q"), array("q"), array("d"), bytearray()
    texts, users, emotes = columns.texts, columns.users, columns.emotes
    for batch in _batches(comments, 20_000):
        for comment in batch:
            offset = comment.offset_seconds
            if not 0 <= offset < seconds:
                continue
            text.append(texts.setdefault(comment.text[:MAX_TEXT_CHARS], len(texts)))
            nameless.append(not comment.user)
            user.append(users.setdefault(comment.user or f"\0{len(users)}", len(users)))
            at.append(offset)
            if comment.bits > 0:
                columns.bits.append((int(offset), min(comment.bits, 1_000_000)))
            for emote in comment.emotes[:20]:
                emotes[emote.name[:60]] += 1
        progress(0.4 * min(1.0, (at[-1] if at else 0.0) / seconds))
    order = np.argsort(np.array(at), kind="stable")
    if len(order):
        columns.text, columns.user, columns.at = np.array(text)[order], np.array(user)[order], np.array(at)[order]
        columns.nameless = np.frombuffer(bytes(nameless), dtype=np.uint8).astype(bool)[order]
    return columns


def _batches(comments: Iterable[Comment], size: int) -> Iterator[list[Comment]]:
    source = iter(comments)
    while batch := list(islice(source, size)):
        yield batch


def read_texts(texts: Iterable[str], progress: Progress = silent) -> TextTable:
    """Every text once."""
    reader, rows, kinds = Reader(), array("d"), dict[str, int]()
    listed = list(texts)
    for index, text in enumerate(listed):
        rows.extend(_row(text, reader.read(text), kinds))
        if index % 20_000 == 0:
            progress(0.4 + 0.4 * index / len(listed))
    table = np.array(rows).reshape(-1, 14).T if listed else np.zeros((14, 1))
    emotion, kind = table[:2].astype(np.int64)
    reaction, loud, shout, clip, crowd, command, known, sentiment = table[2:10]
    long, plain, notice, raid = table[10:] > 0
    return TextTable(
        emotion, kind, reaction, loud, shout, clip, crowd, command, known, sentiment, long, plain, notice, raid
    )  # fmt: skip


def _row(text: str, read: Reading, kinds: dict[str, int]) -> tuple[float, ...]:
    lower = text.lower()
    words = lower.split()
    different = set(words)
    kind = kind_of(lower, words, different)
    return (
        read.emotion,
        kinds.setdefault(kind, len(kinds)) if kind else -1,
        read.reaction,
        read.loud,
        read.shout,
        read.clip,
        crowd_share(read),
        read.command,
        read.known,
        read.sentiment,
        len(different) >= LONG_TOKENS or (not kind and len(lower) > _PASTED_CHARS),
        kind == lower.strip().rstrip(_END_MARKS),
        read.tokens > 3 and any(notice in lower for notice in _NOTICES),
        read.tokens > 3 and any(notice in lower for notice in _RAIDS),
    )  # fmt: skip


def kind_of(lower: str, words: list[str], different: set[str]) -> str:
    """What a short text in lower case is when reduced: "hahahahaha" is "ha", "777777" is "7"; "" for long texts."""
    if len(different) > _KIND_TOKENS:
        return ""
    joined = "".join(words) if len(different) == len(words) else "".join(sorted(different))
    bare = joined[:MAX_TEXT_CHARS].rstrip(_END_MARKS) or joined[:1]
    short = _UNIT.sub(r"\1", bare)
    return short if len(short) <= _MAX_KIND_CHARS else ""


def crowd_share(read: Reading) -> float:
    """1 for a message whose words say nothing about the moment: a greeting, answer, question, talk to others."""
    return max(
        read.question, read.answer, read.command, read.greeting, read.farewell, read.thanks, read.game, read.music,
        read.mention,
    )  # fmt: skip
