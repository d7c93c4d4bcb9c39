"""What one chat message says, whoever wrote it: its emotion, and whether it reacts, asks, answers or greets."""

import re
from itertools import pairwise
from typing import NamedTuple

from workers.analysis.lexicon import CROWDS, EMOTIONS, Meaning, lexicon, meaning

_MAX_TOKENS = 60
_CACHE_TOKENS = 200_000
_NUMBER = re.compile(r"[\d.,:/%$€£+\-x]+\Z", re.IGNORECASE)
_VADER_NORMAL = 15.0  # VADER's alpha: compound = s / sqrt(s^2 + alpha)
_NEGATIONS = "not no never don't dont doesn't doesnt isn't isnt can't cant won't wont ain't aint"
_ASKING = "who what whats what's when where why how which is are do does did can could would should will any has have"
_NEGATING, _QUESTION_WORDS = frozenset(_NEGATIONS.split()), frozenset(_ASKING.split())
_MARKS = "?？"


class Reading(NamedTuple):
    """One message text. Everything but the emotion and sentiment is 0 or 1, or a share 0-1.

    emotion: index in EMOTIONS, -1 for none.  reaction: how far the message is nothing but reaction.  sentiment: -1 to 1
    (VADER's compound).  kind: what the message is when reduced to its meaning, for counting answers of few kinds.
    """

    emotion: int
    reaction: float
    short: float
    loud: float
    question: float
    answer: float
    command: float
    greeting: float
    farewell: float
    thanks: float
    game: float
    music: float
    mention: float
    sentiment: float
    tokens: int
    kind: str


class Reader:
    """Reads messages; remembers tokens and texts, since most of a chat repeats."""

    def __init__(self) -> None:
        self._tokens: dict[str, Meaning] = {}

    def read(self, text: str) -> Reading:
        tokens = text.split(maxsplit=_MAX_TOKENS)[:_MAX_TOKENS]
        if not tokens:
            return _EMPTY
        meanings = [self._meaning(token) for token in tokens]
        votes = _votes(tokens, meanings)
        hits = sum(votes)
        emotion = max(range(len(votes)), key=votes.__getitem__) if hits else -1
        count = len(tokens)
        first = tokens[0].lower()
        crowds = [0] * len(CROWDS)
        for found in meanings:
            if found.crowd >= 0:
                crowds[found.crowd] += 1
        asking = _is_question(tokens, first)
        answer = _is_answer(tokens, crowds[2], hits)
        return Reading(
            emotion=emotion,
            reaction=0.0 if answer and count == 1 else min(1.0, 1.5 * hits / count),
            short=1.0 if count <= 2 and len(text) <= 24 else 0.5 if count <= 4 and len(text) <= 36 else 0.0,
            loud=_loudness(text),
            question=asking,
            answer=answer,
            command=1.0 if first[0] in "!/" and len(first) > 1 and first[1].isalpha() else 0.0,
            greeting=1.0 if crowds[0] and count <= 6 else 0.0,
            farewell=1.0 if crowds[1] and count <= 6 else 0.0,
            thanks=1.0 if crowds[3] else 0.0,
            game=1.0 if crowds[4] or (count == 1 and bool(_NUMBER.match(first)) and emotion < 0) else 0.0,
            music=1.0 if crowds[5] else 0.0,
            mention=1.0 if any(token[0] == "@" and len(token) > 1 for token in tokens) else 0.0,
            sentiment=_sentiment(tokens, meanings),
            tokens=count,
            kind=first[:20] if count <= 3 else "",
        )

    def _meaning(self, token: str) -> Meaning:
        found = self._tokens.get(token)
        if found is None:
            if len(self._tokens) >= _CACHE_TOKENS:
                self._tokens.clear()
            found = self._tokens[token] = meaning(token)
        return found


def _votes(tokens: list[str], meanings: list[Meaning]) -> list[int]:
    words = lexicon()
    votes = [0] * len(EMOTIONS)
    for found in meanings:
        if found.emotion >= 0:
            votes[found.emotion] += 1
    for left, right in pairwise(tokens):
        start = left.lower()
        if start in words.phrase_starts:
            emotion = words.phrases.get(f"{start} {right.lower().rstrip('.,!?')}", -1)
            if emotion >= 0:
                votes[emotion] += 2
    return votes


def _is_question(tokens: list[str], first: str) -> float:
    if len(tokens) >= 3 and (tokens[-1][-1] in _MARKS or first in _QUESTION_WORDS):
        return 1.0
    return 0.0


def _is_answer(tokens: list[str], answers: int, hits: int) -> float:
    if answers and len(tokens) <= 3 and hits <= 1:
        return 1.0
    return 1.0 if len(tokens) == 1 and len(tokens[0]) == 1 and tokens[0].isalnum() and not hits else 0.0


def _loudness(text: str) -> float:
    """1 for shouted text (capitals, repeated marks, stretched letters), 0 for plain."""
    letters = [char for char in text[:80] if char.isalpha() and char.isascii()]
    capitals = sum(char.isupper() for char in letters)
    if len(letters) >= 3 and capitals > 0.7 * len(letters):
        return 1.0
    return 1.0 if "!!" in text or "??" in text or _STRETCHED.search(text) else 0.0


_STRETCHED = re.compile(r"([A-Za-zа-яА-Я啊哈])\1{3,}")


def _sentiment(tokens: list[str], meanings: list[Meaning]) -> float:
    total = 0.0
    for place, found in enumerate(meanings):
        if found.valence:
            negated = place and found.emotion < 0 and tokens[place - 1].lower() in _NEGATING
            total += -0.74 * found.valence if negated else found.valence
    return float(total / (total * total + _VADER_NORMAL) ** 0.5)


_EMPTY = Reading(-1, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0, "")
