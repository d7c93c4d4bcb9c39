"""Messages that gather without anything having happened, told by how they gather and not by what they say.

Pasted text is long and the same. A poll has few kinds of answers, none of them a reaction the stream knows. A giveaway
is one word, once a user, over minutes. A raid or a gift train has notices, and what follows is welcome and thanks.
Greetings stand at the start and are their writers' first words.
"""

import numpy as np
from numpy.typing import NDArray

from workers.analysis.chat_columns import Columns, TextTable
from workers.analysis.stats import Floats, Ints
from workers.analysis.waves import same_near

COPY_REACH_S, COPIES = 30.0, 3.0
POLL_S, POLL_FEWEST, POLL_SHARE, ANSWER_SHARE = 20, 8, 0.4, 0.12
PLAIN_SHARE = 0.9
GIVEAWAY_S, GIVEAWAY_FEWEST = 240.0, 12.0
BEST_S, BEST_SHARE = 10.0, 0.4  # a reaction has more than this share of its uses in minutes within its best seconds
ONCE_SHARE = 0.85  # of the writers who write it once only
OPENING_S, LONG_CHAT_S, OPENING_SHARE = 300.0, 1800.0, 0.6
NOTICE_BEFORE_S, NOTICE_AFTER_S = 5.0, 45.0
TRAIN, TRAIN_TIMES = 5, 4.0  # notices of gifts within that time, and so many times the stream's usual, are a train
AFTER_NOTICES = 0.8  # of what does not react: things happen then too, and known reactions tell of them


def crowd(columns: Columns, table: TextTable, reaction: Floats, weight: Floats) -> Floats:
    """How far each comment is only part of a crowd, 0-1, shape (comments,).

    reaction: how far each comment is known to react.  weight: 0-1, a user's repeats count less.
    """
    if not len(columns.text):
        return np.zeros(0)
    text, at = columns.text, columns.at
    kind, plain = table.kind[text], table.plain[text]
    answers = plain & _never_stretched(kind, plain) & (reaction < 0.5)
    after = AFTER_NOTICES * (reaction < 0.5)
    kinds_of_crowd = np.stack(
        [
            table.command[text],
            table.notice[text].astype(np.float64),
            copied(text, at, table.long[text]).astype(np.float64),
            _poll(kind, columns.second, answers).astype(np.float64),
            _giveaway(kind, columns, answers).astype(np.float64),
            _opening(columns, kind, answers).astype(np.float64),
            after * _after(columns.at, columns.at[table.raid[text]], 1),
            after * _after(columns.at, columns.at[table.notice[text]], _train(columns, table)),
        ]
    )
    return np.asarray(kinds_of_crowd.max(axis=0))


def _never_stretched(kind: Ints, plain: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which comments are of a kind that is nearly always written as it is: answers are, shouts get repeated letters."""
    short = kind >= 0
    found = np.zeros(len(kind), dtype=bool)
    if short.any():
        as_it_is = np.bincount(kind[short], weights=plain[short]) / np.maximum(1, np.bincount(kind[short]))
        found[short] = as_it_is[kind[short]] >= PLAIN_SHARE
    return found


def copied(text: Ints, at: Floats, long: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which comments are part of a copy-paste wave: a long text at least three times within half a minute."""
    found = np.zeros(len(text), dtype=bool)
    if long.any():
        ones = np.ones(int(long.sum()))
        found[long] = same_near(text[long], at[long], ones, before_s=COPY_REACH_S, after_s=COPY_REACH_S) >= COPIES
    return found


def _poll(kind: Ints, second: Ints, answers: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which comments answer: two kinds or more, that hardly stand elsewhere, are most of what is written then.

    One kind alone is no poll: a wave of one word is how chats react.
    """
    found = np.zeros(len(kind), dtype=bool)
    for offset in (0, POLL_S // 2):
        block = (second + offset) // POLL_S
        everyone = np.bincount(block)
        pairs, place, count = np.unique(
            block[answers] * (int(kind.max()) + 1) + kind[answers], return_inverse=True, return_counts=True
        )
        of_block = pairs // (int(kind.max()) + 1)
        answer = (count >= ANSWER_SHARE * everyone[of_block]) & (count >= 3)
        kinds = np.bincount(of_block, weights=answer, minlength=len(everyone))
        mass = np.bincount(of_block, weights=count * answer, minlength=len(everyone))
        poll = (kinds >= 2) & (mass >= POLL_SHARE * everyone) & (everyone >= POLL_FEWEST)
        inside = np.zeros(len(kind), dtype=bool)
        inside[answers] = (answer & poll[of_block])[place]
        found |= inside
    return found


def _giveaway(kind: Ints, columns: Columns, answers: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which comments are entries: a word written for minutes, nearly always once a user, without a height."""
    found = np.zeros(len(kind), dtype=bool)
    if not answers.any():
        return found
    what, at, user = kind[answers], columns.at[answers], columns.user[answers]
    ones = np.ones(len(what))
    around = same_near(what, at, ones, before_s=GIVEAWAY_S / 2, after_s=GIVEAWAY_S / 2)
    near = same_near(what, at, ones, before_s=BEST_S / 2, after_s=BEST_S / 2)
    best = np.zeros(int(what.max()) + 1)
    np.maximum.at(best, what, near)
    pair = what * (int(user.max()) + 1) + user
    _, place, times = np.unique(pair, return_inverse=True, return_counts=True)
    once = np.bincount(what, weights=times[place] == 1) / np.maximum(1, np.bincount(what))
    found[answers] = (around >= GIVEAWAY_FEWEST) & (best[what] <= BEST_SHARE * around) & (once[what] >= ONCE_SHARE)
    return found


def _opening(columns: Columns, kind: Ints, answers: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which comments are hellos: their writers' first, in the first minutes of a long chat, of a text that hardly comes
    later."""
    begin = columns.at[0]
    found = np.zeros(len(kind), dtype=bool)
    if columns.at[-1] - begin < LONG_CHAT_S or not answers.any():
        return found
    early = columns.at < begin + OPENING_S
    what = kind[answers]
    of_opening = np.bincount(what, weights=early[answers]) >= OPENING_SHARE * np.bincount(what)
    found[answers] = of_opening[what]
    return np.asarray(found & early & _firsts(columns.user) & ~columns.nameless)


def _firsts(user: Ints) -> NDArray[np.bool_]:
    first = np.zeros(len(user), dtype=bool)
    first[np.unique(user, return_index=True)[1]] = True
    return first


def _train(columns: Columns, table: TextTable) -> float:
    span = max(NOTICE_AFTER_S, float(columns.at[-1] - columns.at[0]))
    usual = float(table.notice[columns.text].sum()) * (NOTICE_BEFORE_S + NOTICE_AFTER_S) / span
    return max(TRAIN, TRAIN_TIMES * usual)


def _after(at: Floats, notices: Floats, fewest: float) -> Floats:
    """1 for comments soon after `fewest` notices of a raid or of gifts: welcome, thanks, calls."""
    low = np.searchsorted(notices, at - NOTICE_AFTER_S, "left")
    high = np.searchsorted(notices, at + NOTICE_BEFORE_S, "right")
    return (high - low >= fewest).astype(np.float64)
