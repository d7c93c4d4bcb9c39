"""Chat on the 1 s grid: how many write, what they feel, and what is only a crowd."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from shared.emotions import EMOTIONS
from shared.progress import Progress, silent
from workers.analysis.chat_columns import Columns, TextTable, gather, read_texts
from workers.analysis.crowds import copied, crowd
from workers.analysis.lexicon import emote_names, is_channel_emote
from workers.analysis.stats import Floats, Ints
from workers.analysis.surge import MAIN_S, WINDOWS_S, people
from workers.analysis.waves import waves
from workers.chatlog import Comment

SPAM_WINDOW_S = 10
SHOUT_REACTION = 0.6  # a shout without a known word may be many things
WELL_KNOWN = 0.4  # of a chat's words; of a chat in a language of the lexicon about a half is
UNTOLD = 1000.0  # messages: fewer hardly tell which language it is
LONE_WORD = 0.4  # of a shout: in scripts without spaces every message is one word
TALK = 0.7  # of a person counts who writes without reacting
_BOTS = """nightbot streamelements moobot streamlabs fossabot wizebot sery_bot soundalerts deepbot botisimo phantombot
    stay_hydrated_bot commanderroot ankhbot coebot xanbot hnlbot vivbot ohbot mikuia scorpbot buttsbot"""
_BOT_NAMES = frozenset(_BOTS.split())


@dataclass
class ChatGrid:
    """Sums per second, each of shape (seconds,); counts unless said otherwise.

    emotions: shape (6, seconds), reaction mass by emotion in the order of EMOTIONS.  writers: different people who
    write in [t, t + MAIN_S).  people: window length in s to how many different people write in [t, t + length), a
    crowd's counted less; reacting: the same of those who react.  sums: by name, `weight` of all comments and
    what share of it reacts, shouts, is a crowd's, asks for a clip; `felt` what reacts by its words, in a crowd or not.
    users, at: per comment, for unique chatters.
    """

    seconds: int
    messages: Floats
    chatters: Floats
    emotions: Floats
    writers: Floats
    people: dict[int, Floats]
    reacting: dict[int, Floats]
    sums: dict[str, Floats]
    subs: Floats
    bits: Floats
    users: Ints
    at: Ints
    total_chatters: int
    top_emotes: list[tuple[str, int]] = field(default_factory=list)


def chat_grid(comments: Iterable[Comment], *, duration_s: float, progress: Progress = silent) -> ChatGrid:
    """Everything the chat tells, second by second. Comments after `duration_s` are left out."""
    seconds = max(1, int(np.ceil(duration_s)))
    columns = gather(comments, seconds, progress)
    return _sum_up(columns, read_texts(columns.texts, progress), seconds)


def _sum_up(columns: Columns, table: TextTable, seconds: int) -> ChatGrid:
    text, user, at = columns.text, columns.user, columns.second
    weight = _weights(columns, at, seconds)
    waving = waves(table.kind[text], columns.at, weight, seconds=seconds)
    pasted = copied(text, columns.at, table.long[text])
    shout = np.maximum(0.0, table.shout[text] - LONE_WORD) / (1.0 - LONE_WORD)
    known = np.where(pasted, 0.0, table.reaction[text])
    gathered = crowd(columns, table, np.maximum(known, waving.learned), weight)
    by_words = table.crowd[text] * _knowledge(table.known[text], weight)
    only_crowd = np.maximum(gathered, by_words)
    unknown = np.maximum.reduce([waving.wave, waving.learned, SHOUT_REACTION * shout])
    reaction = np.maximum(known, unknown * (1.0 - only_crowd)) * (1.0 - gathered)
    sentiment = table.sentiment[text]

    def per_second(values: Floats) -> Floats:
        return np.bincount(at, weights=values, minlength=seconds)[:seconds].astype(np.float64)

    emotion = table.emotion[text]
    feeling = known * (1.0 - gathered) * weight
    measured = {
        "reaction": reaction * weight,
        "felt": known * weight,
        "loud": table.loud[text] * weight,
        "crowd": only_crowd * weight,
        "clip": table.clip[text] * weight,
        "sentiment": sentiment * weight,
        "sentiment_count": (sentiment != 0) * weight,
        "weight": weight,
    }
    counted = np.where(weight > 0, (1.0 - np.maximum(gathered, 0.5 * by_words)), 0.0)
    counted = counted * np.maximum(reaction, TALK)
    everyone = len(columns.users) + 1
    pairs = np.unique(at * everyone + user)
    bits = np.zeros(seconds)
    for second, amount in columns.bits:
        bits[second] += amount
    return ChatGrid(
        seconds=seconds,
        messages=per_second(np.ones(len(at))),
        chatters=np.bincount(pairs // everyone, minlength=seconds)[:seconds].astype(np.float64),
        emotions=np.stack([per_second(feeling * (emotion == index)) for index in range(len(EMOTIONS))]),
        writers=people(at, user, (weight > 0).astype(np.float64), window_s=MAIN_S, seconds=seconds),
        people={length: people(at, user, counted, window_s=length, seconds=seconds) for length in WINDOWS_S},
        reacting={length: people(at, user, reaction, window_s=length, seconds=seconds) for length in WINDOWS_S},
        sums={name: per_second(values) for name, values in measured.items()},
        subs=per_second(table.notice[text].astype(np.float64)),
        bits=bits,
        users=user,
        at=at,
        total_chatters=len(columns.users),
        top_emotes=_top_emotes(columns),
    )


def _knowledge(known: Floats, weight: Floats) -> float:
    """How far the lexicon may dismiss what is written, 0-1: as far as it knows this chat's words."""
    share = (float((known * weight).sum()) + UNTOLD * WELL_KNOWN) / (float(weight.sum()) + UNTOLD)
    return min(1.0, share / WELL_KNOWN)


def _weights(columns: Columns, at: Ints, seconds: int) -> Floats:
    """1 for a user's first message in 10 s, then 1/2, 1/3, ...; 0 for bots."""
    user = columns.user
    bucket = user * (seconds // SPAM_WINDOW_S + 2) + at // SPAM_WINDOW_S
    order = np.argsort(bucket, kind="stable")
    ranked = bucket[order]
    starts = np.searchsorted(ranked, ranked, side="left")
    weight = np.empty(len(user))
    weight[order] = 1.0 / (1.0 + np.arange(len(user)) - starts)
    bots = np.array([is_bot(name) for name in columns.users] or [False])
    return np.where(bots[user], 0.0, weight) if len(user) else weight


def is_bot(name: str) -> bool:
    """Whether an account is one of the known bots or calls itself one."""
    lower = name.lower()
    return lower in _BOT_NAMES or (lower.endswith("bot") and len(lower) > 5)


def _top_emotes(columns: Columns, limit: int = 20) -> list[tuple[str, int]]:
    """Emotes as the chat log names them, and the well-known and channel ones it leaves as plain words."""
    counts = Counter(columns.emotes)
    known = emote_names()
    named = set(columns.emotes)
    uses = np.bincount(columns.text, minlength=len(columns.texts))
    judged: dict[str, bool] = dict.fromkeys(named, False)
    for words, times in zip(columns.texts, uses.tolist(), strict=False):
        for token in words.split():
            emote = judged.get(token)
            if emote is None:
                emote = judged[token] = token in known or is_channel_emote(token)
            if emote:
                counts[token] += times
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit]
