"""The same thing shown twice, such as a film in every break, is one highlight."""

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from workers.analysis.selection import Moment

SAME_WORDS, SAME_MESSAGES = 0.5, 0.5  # of the shorter one's
FEWEST_WORDS, FEWEST_MESSAGES = 15, 6
TELLING_CHARS = 12  # shorter messages are the same at many moments

Item = TypeVar("Item")


class Said(NamedTuple):
    """messages: what the chat wrote.  words: what was said."""

    messages: list[str]
    words: str


def without_repeats(found: list[Moment], said: Mapping[Moment, Said]) -> list[Moment]:
    """`found`, best first, without those in which nearly the same is said or written as in a better one."""
    kept: list[tuple[Moment, set[tuple[str, ...]], set[str]]] = []
    for moment in found:
        runs, telling = _runs(said[moment].words), _telling(said[moment].messages)
        if not any(
            _same(runs, other_runs, FEWEST_WORDS, SAME_WORDS) or _same(telling, other, FEWEST_MESSAGES, SAME_MESSAGES)
            for _, other_runs, other in kept
        ):
            kept.append((moment, runs, telling))
    return [moment for moment, _, _ in kept]


def _runs(text: str) -> set[tuple[str, ...]]:
    words = [word.strip(".,!?").lower() for word in text.split()]
    return set(zip(words, words[1:], words[2:], strict=False))


def _telling(messages: list[str]) -> set[str]:
    return {text.lower() for text in messages if len(set(text.lower())) >= TELLING_CHARS}


def _same(one: set[Item], other: set[Item], fewest: int, share: float) -> bool:
    shorter = min(len(one), len(other))
    return shorter >= fewest and len(one & other) >= share * shorter
