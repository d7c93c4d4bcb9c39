"""What the highlights have to beat: three dumb ways to find moments, written apart from the product.

They read comments and nothing else, learn nothing and know one short word list.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from workers.chatlog import Comment

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Span = tuple[float, float]

WINDOW_S, LIST_WINDOW_S = 10, 15
SURROUNDINGS_S = 600
SPACING_S = 30
# The reaction comes after the moment: from this long before the middle of the busiest window to this long after it.
BEFORE_S, AFTER_S = 45.0, 5.0
WINDOW_SAID = f"from {BEFORE_S:g} s before to {AFTER_S:g} s after the middle of the highest {WINDOW_S} s"
# Of a dozen lists tried, one that does well on all labelled bursts: a peer is not to be weak.
_LIST = r"pog|lul|lol|lmao|omg|wtf|haha|insane|clip|kek|wow|holy|xd|no way|let'?s go|\bgg|monka|jebait|😂|🤣"
EXCITED = re.compile(_LIST, re.IGNORECASE)


class Peer(NamedTuple):
    """name and said: as in tables and in sentences.  rank: a value per second from comments in order of time."""

    name: str
    said: str
    rank: Callable[[Sequence[Comment]], Floats]


def excited(text: str) -> bool:
    """The one-line excitement list."""
    return EXCITED.search(text) is not None


def excited_share(texts: Sequence[str]) -> float:
    return sum(map(excited, texts)) / len(texts) if texts else 0.0


def surge(comments: Sequence[Comment]) -> Floats:
    """log((distinct chatters in 10 s + 1) / (their median over ten minutes + 1)); messages where no users are known."""
    if not any(comment.user for comment in comments):
        counts = _window_sums(_per_second(comments), WINDOW_S)
    else:
        counts = _distinct(comments, WINDOW_S)
    usual = _rolling_median(counts, SURROUNDINGS_S)
    return np.asarray(np.log((counts + 1) / (usual + 1)))


def listed(comments: Sequence[Comment]) -> Floats:
    """Messages in 15 s that match the list."""
    return _window_sums(_per_second([one for one in comments if excited(one.text)], like=comments), LIST_WINDOW_S)


def counted(comments: Sequence[Comment]) -> Floats:
    """Messages in 10 s."""
    return _window_sums(_per_second(comments), WINDOW_S)


PEERS = (
    Peer("peak finder", "the peak finder", surge),
    Peer("excitement list", "the excitement list", listed),
    Peer("counting", "counting", counted),
)


def find(peer: Peer, comments: Sequence[Comment], *, count: int) -> list[Span]:
    """The peer's highlights, best first; each the window WINDOW_SAID."""
    if not comments:
        return []
    return [
        (max(0.0, second + WINDOW_S / 2 - BEFORE_S), second + WINDOW_S / 2 + AFTER_S)
        for second in peaks(peer.rank(comments), count=count)
    ]


def peaks(values: Floats, *, count: int, spacing_s: int = SPACING_S) -> list[int]:
    """The highest seconds at least `spacing_s` apart, greedily; of equal ones the first; nothing at or under 0."""
    free = np.ones(len(values), dtype=bool)
    found: list[int] = []
    for second in np.argsort(-values, kind="stable").tolist():
        if len(found) >= count or values[second] <= 0:
            break
        if free[second]:
            found.append(second)
            free[max(0, second - spacing_s + 1) : second + spacing_s] = False
    return found


def _seconds(comments: Sequence[Comment]) -> Ints:
    return np.array([int(comment.offset_seconds) for comment in comments], dtype=np.int64)


def _per_second(comments: Sequence[Comment], *, like: Sequence[Comment] | None = None) -> Floats:
    length = int(_seconds(like if like is not None else comments).max()) + 1
    return np.bincount(_seconds(comments), minlength=length).astype(np.float64)


def _window_sums(values: Floats, window_s: int) -> Floats:
    """Over [t, t + window_s)."""
    total = np.concatenate(([0.0], np.cumsum(values)))
    ends = np.minimum(np.arange(len(values)) + window_s, len(values))
    return np.asarray(total[ends] - total[:-1])


def _distinct(comments: Sequence[Comment], window_s: int) -> Floats:
    """Distinct users in [t, t + window_s); every comment without a user counts as one of its own."""
    numbers: dict[str, int] = {}
    names = [comment.user or f"\0{place}" for place, comment in enumerate(comments)]
    users = np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)
    at = _seconds(comments)
    order = np.lexsort((at, users))
    at, users = at[order], users[order]
    # A comment adds its user to the windows that begin after the user's comment before it.
    first = np.maximum(at - window_s + 1, 0)
    again = users[1:] == users[:-1]
    first[1:] = np.where(again, np.maximum(first[1:], at[:-1] + 1), first[1:])
    new = first <= at
    seconds = int(at.max()) + 1
    change = np.bincount(first[new], minlength=seconds + 1) - np.bincount(at[new] + 1, minlength=seconds + 1)
    return np.cumsum(change)[:seconds].astype(np.float64)


def _rolling_median(values: Floats, window_s: int) -> Floats:
    """Around each second, the window cut at the ends."""
    half = window_s // 2
    padded = np.pad(values, (half, half), constant_values=np.nan)
    windows = sliding_window_view(padded, 2 * half + 1)
    parts = [np.nanmedian(windows[start : start + 4096], axis=1) for start in range(0, len(values), 4096)]
    return np.concatenate(parts)
