"""Chat on the 1 s grid: how many write, what they feel, and what is only a crowd (greetings, polls, bots, copies)."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from shared.progress import Progress, silent
from workers.analysis.lexicon import EMOTIONS, emote_names, is_channel_emote
from workers.analysis.messages import Reader, Reading
from workers.analysis.stats import Floats
from workers.chatlog import Comment

# How far each emotion makes a message the kind of reaction people clip.
REACTION_WEIGHT = {"excitement": 1.0, "funny": 1.0, "happiness": 0.25, "anger": 0.5, "sadness": 0.5, "shock": 1.0}
SPAM_WINDOW_S = 10
COPY_WINDOW_S = 30
COPY_TOKENS = 6
COPY_COUNT = 3
_BOTS = """nightbot streamelements moobot streamlabs fossabot wizebot sery_bot soundalerts deepbot botisimo phantombot
    stay_hydrated_bot commanderroot ankhbot coebot xanbot hnlbot vivbot ohbot mikuia scorpbot buttsbot"""
_BOT_NAMES = frozenset(_BOTS.split())
_NOTICES = ("subscribed with prime", "subscribed at tier", " gifted a tier", " is gifting ", "raiders from ")


@dataclass
class ChatGrid:
    """Sums per second, each of shape (seconds,); counts unless said otherwise.

    emotions: shape (6, seconds), reaction mass by emotion in the order of EMOTIONS.  reaction: mass of reactions as
    weighted for highlights.  sentiment: sum over messages that have one.  users, at: per comment, for unique chatters.
    """

    seconds: int
    messages: Floats
    chatters: Floats
    emotions: Floats
    sums: dict[str, Floats]
    subs: Floats
    bits: Floats
    users: NDArray[np.int64]
    at: NDArray[np.int64]
    total_chatters: int
    top_emotes: list[tuple[str, int]] = field(default_factory=list)


@dataclass
class _Columns:
    """The comments as columns: text and user as numbers into tables, so that what repeats is read once."""

    texts: dict[str, int] = field(default_factory=dict)
    users: dict[str, int] = field(default_factory=dict)
    text: list[int] = field(default_factory=list)
    user: list[int] = field(default_factory=list)
    offset: list[float] = field(default_factory=list)
    bits: list[tuple[int, int]] = field(default_factory=list)
    emotes: Counter[str] = field(default_factory=Counter)


def chat_grid(comments: Iterable[Comment], *, duration_s: float, progress: Progress = silent) -> ChatGrid:
    """Everything the chat tells, second by second. Comments after `duration_s` are left out."""
    seconds = max(1, int(np.ceil(duration_s)))
    columns = _gather(comments, seconds, progress)
    table = _read_texts(list(columns.texts), progress)
    return _sum_up(columns, table, seconds)


def _gather(comments: Iterable[Comment], seconds: int, progress: Progress) -> _Columns:
    columns = _Columns()
    texts, users, emotes = columns.texts, columns.users, columns.emotes
    for batch in _batches(comments, 20_000):
        for comment in batch:
            offset = comment.offset_seconds
            if not 0 <= offset < seconds:
                continue
            columns.text.append(texts.setdefault(comment.text[:500], len(texts)))
            # A deleted account can't be told from another: each of its comments counts as one chatter of its own.
            user = comment.user or f"\0{len(users)}"
            columns.user.append(users.setdefault(user, len(users)))
            columns.offset.append(offset)
            if comment.bits > 0:
                columns.bits.append((int(offset), min(comment.bits, 1_000_000)))
            for emote in comment.emotes[:20]:
                emotes[emote.name[:60]] += 1
        progress(0.4 * min(1.0, (columns.offset[-1] if columns.offset else 0.0) / seconds))
    return columns


def _batches(comments: Iterable[Comment], size: int) -> Iterator[list[Comment]]:
    source = iter(comments)
    while batch := list(islice(source, size)):
        yield batch


def _read_texts(texts: list[str], progress: Progress) -> NDArray[np.float64]:
    """One row per text: what `_row` says."""
    reader = Reader()
    rows = array("d")
    kinds: dict[str, int] = {}
    for index, text in enumerate(texts):
        rows.extend(_row(text, reader.read(text), kinds))
        if index % 20_000 == 0:
            progress(0.4 + 0.5 * index / len(texts))
    return np.array(rows).reshape(-1, _WIDTH) if texts else np.zeros((1, _WIDTH))


_EMOTION, _MASS, _LOUD, _CROWD, _SHORT, _QUESTION, _MENTION, _SENTIMENT, _KIND, _LONG, _NOTICE, _WIDTH = range(12)


def _row(text: str, read: Reading, kinds: dict[str, int]) -> tuple[float, ...]:
    kind = kinds.setdefault(read.kind, len(kinds)) if read.kind and read.emotion < 0 else -1
    notice = read.tokens > 3 and any(words in text.lower() for words in _NOTICES)
    return (
        read.emotion,
        read.reaction,
        read.loud,
        1.0 if notice else crowd_share(read),
        read.short,
        read.question,
        read.mention,
        read.sentiment,
        kind,
        float(read.tokens >= COPY_TOKENS),
        float(notice),
    )


def crowd_share(read: Reading) -> float:
    """1 for a message that says nothing about the moment: a greeting, answer, question, game, talk to others."""
    return max(
        read.question, read.answer, read.command, read.greeting, read.farewell, read.thanks, read.game, read.music,
        read.mention,
    )  # fmt: skip


def _sum_up(columns: _Columns, table: NDArray[np.float64], seconds: int) -> ChatGrid:
    text = np.array(columns.text, dtype=np.int64)
    user = np.array(columns.user, dtype=np.int64)
    at = np.array(columns.offset, dtype=np.float64).astype(np.int64)
    weight = _weights(columns.users, user, at, seconds)
    rows = table[text]
    copied = _copied(text, at, rows[:, _LONG] > 0)
    crowd = np.where(copied | _poll(rows[:, _KIND].astype(np.int64), at), 1.0, rows[:, _CROWD])
    emotion = rows[:, _EMOTION].astype(np.int64)
    mass = np.where(copied, 0.0, rows[:, _MASS]) * weight
    importance = np.array([REACTION_WEIGHT[name] for name in EMOTIONS] + [0.0])

    def per_second(values: NDArray[np.float64]) -> Floats:
        return np.bincount(at, weights=values, minlength=seconds)[:seconds].astype(np.float64)

    emotions = np.stack([per_second(mass * (emotion == index)) for index in range(len(EMOTIONS))])
    measured = {
        "reaction": mass * importance[emotion],
        "loud": rows[:, _LOUD] * weight,
        "crowd": crowd * weight,
        "short": rows[:, _SHORT] * weight,
        "question": rows[:, _QUESTION] * weight,
        "mention": rows[:, _MENTION] * weight,
        "sentiment": rows[:, _SENTIMENT] * weight,
        "sentiment_count": (rows[:, _SENTIMENT] != 0) * weight,
        "copies": copied.astype(np.float64),
        "weight": weight,
    }
    pairs = np.unique(at * (len(columns.users) + 1) + user)
    bits = np.zeros(seconds)
    for second, amount in columns.bits:
        bits[second] += amount
    return ChatGrid(
        seconds=seconds,
        messages=per_second(np.ones(len(at))),
        chatters=np.bincount(pairs // (len(columns.users) + 1), minlength=seconds)[:seconds].astype(np.float64),
        emotions=emotions,
        sums={name: per_second(values) for name, values in measured.items()},
        subs=per_second(rows[:, _NOTICE]),
        bits=bits,
        users=user,
        at=at,
        total_chatters=len(columns.users),
        top_emotes=_top_emotes(columns, text),
    )


def _weights(names: dict[str, int], user: NDArray[np.int64], at: NDArray[np.int64], seconds: int) -> Floats:
    """1 for a user's first message in 10 s, then 1/2, 1/3, ...; 0 for bots."""
    bucket = user * (seconds // SPAM_WINDOW_S + 2) + at // SPAM_WINDOW_S
    order = np.argsort(bucket, kind="stable")
    ranked = bucket[order]
    starts = np.searchsorted(ranked, ranked, side="left")
    weight = np.empty(len(user))
    weight[order] = 1.0 / (1.0 + np.arange(len(user)) - starts)
    bots = np.array([is_bot(name) for name in names] or [False])
    return np.where(bots[user], 0.0, weight) if len(user) else weight


def is_bot(name: str) -> bool:
    """Whether an account is one of the known bots or calls itself one."""
    lower = name.lower()
    return lower in _BOT_NAMES or (lower.endswith("bot") and len(lower) > 5)


def _copied(text: NDArray[np.int64], at: NDArray[np.int64], long: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which comments are part of a copy-paste wave: a long text at least three times within 30 s."""
    return long & (_same(text, at, COPY_WINDOW_S) >= COPY_COUNT)


def _poll(kind: NDArray[np.int64], at: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which comments are answers of few kinds: short, without emotion, and many alike at once."""
    return (kind >= 0) & (_same(kind, at, SPAM_WINDOW_S) >= COPY_COUNT)


def _same(what: NDArray[np.int64], at: NDArray[np.int64], window_s: int) -> NDArray[np.int64]:
    """How many comments share `what` within the same window."""
    if not len(what):
        return np.zeros(0, dtype=np.int64)
    key = (what + 1) * (int(at.max()) // window_s + 2) + at // window_s
    _, inverse, counts = np.unique(key, return_inverse=True, return_counts=True)
    return np.asarray(counts[inverse], dtype=np.int64)


def _top_emotes(columns: _Columns, text: NDArray[np.int64], limit: int = 20) -> list[tuple[str, int]]:
    """Emotes as the chat log names them, and the well-known and channel ones it leaves as plain words."""
    counts = Counter(columns.emotes)
    known = emote_names()
    named = set(columns.emotes)
    uses = np.bincount(text, minlength=len(columns.texts)) if len(text) else np.zeros(0, dtype=np.int64)
    judged: dict[str, bool] = dict.fromkeys(named, False)
    for words, times in zip(columns.texts, uses.tolist(), strict=False):
        for token in words.split():
            emote = judged.get(token)
            if emote is None:
                emote = judged[token] = token in known or is_channel_emote(token)
            if emote:
                counts[token] += times
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit]
