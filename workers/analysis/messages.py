"""What one chat message says, whoever wrote it: its emotion, and whether it reacts, asks, answers or greets."""

import re
from typing import NamedTuple

from workers.analysis.lexicon import CROWDS, EMOTIONS, NOTHING, Meaning, lexicon, meaning

_MAX_TOKENS = 60
_HIT_SHARE = 1.5  # two reacting words of three make a message all reaction
_OPENER_TOKENS = 6  # longer messages that greet say something else too
_KIND_TOKENS = 3  # longer messages are no answers
_ANSWERS = CROWDS.index("answers")
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
        votes, crowds = [0] * len(EMOTIONS), [0] * len(CROWDS)
        valence, marked, mention = 0.0, False, 0.0
        known = self._tokens
        for place, token in enumerate(tokens):
            found = known.get(token)
            if found is None:
                found = self._learn(token)
            if found is NOTHING:
                continue
            if found.emotion >= 0:
                votes[found.emotion] += 1
            if found.crowd >= 0:
                crowds[found.crowd] += 1
            if found.valence:
                valence += found.valence * _sign(tokens, place, found)
            if found.starts:
                _vote_phrase(votes, tokens, place)
            marked = marked or found.loud
            mention = mention or float(found.mention)
        return _reading(text, tokens, votes, crowds, (valence, marked, mention))

    def _learn(self, token: str) -> Meaning:
        if len(self._tokens) >= _CACHE_TOKENS:
            self._tokens.clear()
        found = self._tokens[token] = meaning(token)
        return found


def _sign(tokens: list[str], place: int, found: Meaning) -> float:
    """1, or VADER's -0.74 after a negation; reactions are never negated."""
    negated = place and found.emotion < 0 and tokens[place - 1].lower() in _NEGATING
    return -0.74 if negated else 1.0


def _vote_phrase(votes: list[int], tokens: list[str], place: int) -> None:
    if place + 1 < len(tokens):
        phrase = f"{tokens[place].lower()} {tokens[place + 1].lower().rstrip('.,!?')}"
        emotion = lexicon().phrases.get(phrase, -1)
        if emotion >= 0:
            votes[emotion] += 2


def _reading(
    text: str, tokens: list[str], votes: list[int], crowds: list[int], sums: tuple[float, bool, float]
) -> Reading:  # fmt: skip
    valence, marked, mention = sums
    hits, count, first = sum(votes), len(tokens), tokens[0].lower()
    emotion = votes.index(max(votes)) if hits else -1
    answer = _is_answer(tokens, crowds[_ANSWERS], hits)
    return Reading(
        emotion=emotion,
        reaction=0.0 if answer and count == 1 else min(1.0, _HIT_SHARE * hits / count),
        short=1.0 if count <= 2 and len(text) <= 24 else 0.5 if count <= 4 and len(text) <= 36 else 0.0,
        loud=1.0 if marked or _in_capitals(text) else 0.0,
        question=1.0 if count >= 3 and (tokens[-1][-1] in _MARKS or first in _QUESTION_WORDS) else 0.0,
        answer=answer,
        command=1.0 if first[0] in "!/" and len(first) > 1 and first[1].isalpha() else 0.0,
        greeting=1.0 if crowds[0] and count <= _OPENER_TOKENS else 0.0,
        farewell=1.0 if crowds[1] and count <= _OPENER_TOKENS else 0.0,
        thanks=1.0 if crowds[3] else 0.0,
        game=1.0 if crowds[4] or (count == 1 and emotion < 0 and bool(_NUMBER.match(first))) else 0.0,
        music=1.0 if crowds[5] else 0.0,
        mention=mention,
        sentiment=float(valence / (valence * valence + _VADER_NORMAL) ** 0.5) if valence else 0.0,
        tokens=count,
        kind=first[:20] if count <= _KIND_TOKENS else "",
    )


def _is_answer(tokens: list[str], answers: int, hits: int) -> float:
    if answers and len(tokens) <= _KIND_TOKENS and hits <= 1:
        return 1.0
    return 1.0 if len(tokens) == 1 and len(tokens[0]) == 1 and tokens[0].isalnum() and not hits else 0.0


def _in_capitals(text: str) -> bool:
    if text.islower():
        return False
    letters = [char for char in text[:80] if char.isalpha()]
    return len(letters) >= 3 and sum(map(str.isupper, letters)) > 0.7 * len(letters)


_EMPTY = Reading(-1, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0, "")
