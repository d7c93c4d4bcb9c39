"""What one chat message says, whoever wrote it: its emotion, and whether it reacts, shouts, asks, answers or greets."""

from typing import NamedTuple

from shared.emotions import EMOTIONS
from workers.analysis.clip_calls import asks_for_a_clip, may_ask_for_a_clip
from workers.analysis.lexicon import CROWDS, NOTHING, PLAIN, VALENCE, Meaning, Phrases, meaning

_MAX_TOKENS = 60
_HIT_SHARE = 1.5  # two reacting words of three make a message all reaction
_FILLER_SHARE = 0.5  # of a word that says nothing
_WEAK_SHARE = 0.5  # everyday words react where they are more than this share of what is said
_OPENER_TOKENS = 6  # longer messages that greet say something else too
_SHORT_TOKENS = 2
_KIND_TOKENS = 3  # longer messages are no answers
_ANSWERS = CROWDS.index("answers")
_CACHE_TOKENS = 200_000
_VADER_NORMAL = 15.0  # VADER's alpha: compound = s / sqrt(s^2 + alpha)
_NEGATIONS = "not no never don't dont doesn't doesnt isn't isnt can't cant won't wont ain't aint"
_ASKING = "who what whats what's when where why how which is are do does did can could would should will any has have"
_NEGATING, _QUESTION_WORDS = frozenset(_NEGATIONS.split()), frozenset(_ASKING.split())
_MARKS = "?？"
_LONE, _LONE_CHARS = 0.4, 24  # one short word alone is a shout as often as not
_CAPITALS, _CAPITAL_LETTERS = 0.8, 3


class Reading(NamedTuple):
    """One message text. Everything but the emotion and sentiment is 0 or 1, or a share 0-1.

    emotion: index in EMOTIONS, -1 for none.  reaction: how far the message is nothing but reaction.  sentiment: -1 to 1
    (VADER's compound).  shout: how far its shape alone is a shout, in any language: stretched, repeated, mashed, emoji,
    capitals, one lone word.  clip: asks for a clip.  known: share of its words that the lexicon or the lists of its
    languages hold.  kind: what the message is when reduced to its meaning, for counting answers of few kinds.
    """

    emotion: int
    reaction: float
    short: float
    loud: float
    shout: float
    clip: float
    known: float
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


class _Sums:
    """What the tokens of one message add up to."""

    __slots__ = (
        "capitals",
        "crowds",
        "fillers",
        "link",
        "loud",
        "mention",
        "phrased",
        "shout",
        "unknown",
        "valence",
        "votes",
        "weak",
        "weak_valence",
    )

    def __init__(self) -> None:
        self.votes, self.weak, self.crowds = [0] * len(EMOTIONS), [0] * len(EMOTIONS), [0] * len(CROWDS)
        self.capitals: list[int] = []
        self.fillers = self.unknown = self.phrased = 0
        self.valence = self.weak_valence = self.shout = 0.0
        self.loud = self.mention = self.link = False


class Reader:
    """Reads messages; remembers tokens and texts, since most of a chat repeats."""

    def __init__(self) -> None:
        self._tokens: dict[str, Meaning] = {}

    def read(self, text: str) -> Reading:
        tokens = text.split(maxsplit=_MAX_TOKENS)[:_MAX_TOKENS]
        if not tokens:
            return _EMPTY
        known = self._tokens
        meanings = [known.get(token) or self._learn(token) for token in tokens]
        sums = _Sums()
        for place, found in enumerate(meanings):
            if found is NOTHING:
                sums.unknown += 1
            elif found is not PLAIN:
                _add(sums, found, tokens, meanings, place)
        return _reading(text, tokens, sums)

    def _learn(self, token: str) -> Meaning:
        if len(self._tokens) >= _CACHE_TOKENS:
            self._tokens.clear()
        found = self._tokens[token] = meaning(token)
        return found


def _add(sums: _Sums, found: Meaning, tokens: list[str], meanings: list[Meaning], place: int) -> None:
    if found.filler:
        sums.fillers += 1
    in_phrase = place < sums.phrased
    if found.starts and not in_phrase:
        in_phrase = _add_phrase(sums, found.starts, meanings, place)
    if found.emotion >= 0 and not in_phrase:
        if not found.weak:
            sums.votes[found.emotion] += 1
        elif not found.filler or len(tokens) == 1:
            sums.weak[found.emotion] += 1
            sums.weak_valence += VALENCE[found.emotion] - found.valence
        if found.capital:
            sums.capitals.append(found.emotion)
    if found.crowd >= 0:
        sums.crowds[found.crowd] += 1
    if found.valence:
        sums.valence += found.valence * _sign(tokens, place, found)
    sums.shout += found.shout
    sums.unknown += not found.known
    sums.loud = sums.loud or found.loud
    sums.mention = sums.mention or found.mention
    sums.link = sums.link or found.link


def _sign(tokens: list[str], place: int, found: Meaning) -> float:
    """1, or VADER's -0.74 after a negation; reactions are never negated."""
    negated = place and (found.emotion < 0 or found.weak) and tokens[place - 1].lower() in _NEGATING
    return -0.74 if negated else 1.0


def _add_phrase(sums: _Sums, starts: Phrases, meanings: list[Meaning], place: int) -> bool:
    """Counts the longest phrase that begins at `place`; its words count nothing by themselves."""
    follow = place + 2
    listed = starts.get(meanings[follow - 1].form, ()) if follow <= len(meanings) else ()
    for rest, emotion in listed:
        if rest == tuple(found.form for found in meanings[follow : follow + len(rest)]):
            sums.weak[emotion] += 2 + len(rest)
            sums.phrased = follow + len(rest)
            return True
    return False


def _reading(text: str, tokens: list[str], sums: _Sums) -> Reading:
    count, first, lower = len(tokens), tokens[0].lower(), text.lower()
    capitals = _capitals(text) if lower != text else 0
    _count_weak(sums, count, capitals)
    hits = sum(sums.votes)
    emotion = sums.votes.index(max(sums.votes)) if hits else -1
    answer = _is_answer(tokens, sums.crowds[_ANSWERS], hits)
    clip = 1.0 if may_ask_for_a_clip(lower) and asks_for_a_clip(tokens) else 0.0
    command = 1.0 if first[0] in "!/" and len(first) > 1 and first[1].isalpha() and not clip else 0.0
    opener = count <= _OPENER_TOKENS
    return Reading(
        emotion=emotion,
        reaction=0.0
        if answer and count == 1
        else min(1.0, _HIT_SHARE * hits / (count - _FILLER_SHARE * min(sums.fillers, count - 1))),
        short=1.0 if count <= 2 and len(text) <= 24 else 0.5 if count <= 4 and len(text) <= 36 else 0.0,
        loud=1.0 if sums.loud or capitals >= _CAPITAL_LETTERS else 0.0,
        shout=0.0 if command or sums.link else _shout(text, tokens, sums, capitals=capitals, answer=answer),
        clip=clip,
        known=1.0 - sums.unknown / count,
        question=1.0 if count >= 3 and (tokens[-1][-1] in _MARKS or first in _QUESTION_WORDS) else 0.0,
        answer=answer,
        command=command,
        greeting=1.0 if sums.crowds[0] and opener else 0.0,
        farewell=1.0 if sums.crowds[1] and opener else 0.0,
        thanks=1.0 if sums.crowds[3] and opener else 0.0,
        game=1.0 if sums.crowds[4] and opener else 0.0,
        music=1.0 if sums.crowds[5] and opener else 0.0,
        mention=float(sums.mention),
        sentiment=float(sums.valence / (sums.valence**2 + _VADER_NORMAL) ** 0.5) if sums.valence else 0.0,
        tokens=count,
        kind=first[:20] if count <= _KIND_TOKENS else "",
    )


def _count_weak(sums: _Sums, count: int, capitals: int) -> None:
    """Adds the everyday words' emotions where they are most of what is said, or shouted in capitals.

    In a text that is all in capitals no word stands out by them, unless it is short.
    """
    said = max(1, count - sums.fillers)
    if any(sums.weak) and sum(sums.votes) + sum(sums.weak) > _WEAK_SHARE * said:
        sums.votes = [strong + weak for strong, weak in zip(sums.votes, sums.weak, strict=True)]
        sums.valence += sums.weak_valence
    elif sums.capitals and (not capitals or sums.fillers == count or (count <= _SHORT_TOKENS and any(sums.weak))):
        for emotion in sums.capitals:
            sums.votes[emotion] += 1


def _is_answer(tokens: list[str], answers: int, hits: int) -> float:
    if answers and len(tokens) <= _KIND_TOKENS and hits <= 1:
        return 1.0
    # One sign of a script without letters is a word.
    letter = len(tokens) == 1 and len(tokens[0]) == 1 and tokens[0].isascii() and tokens[0].isalnum()
    return 1.0 if letter and not hits else 0.0


def _shout(text: str, tokens: list[str], sums: _Sums, *, capitals: int, answer: float) -> float:
    by_shape = min(1.0, _HIT_SHARE * sums.shout / len(tokens))
    in_capitals = _CAPITALS if capitals > _CAPITAL_LETTERS and len(tokens) <= _OPENER_TOKENS else 0.0
    lone = (
        len(tokens) == 1 and len(text) <= _LONE_CHARS and not answer and not any(sums.crowds) and not text.isdecimal()
    )
    return max(by_shape, in_capitals, _LONE if lone and not sums.mention else 0.0)


def _capitals(text: str) -> int:
    """How many letters of a text in capitals, 0 for one that is not."""
    letters = [char for char in text[:80] if char.isalpha()]
    upper = sum(map(str.isupper, letters))
    return upper if len(letters) >= _CAPITAL_LETTERS and upper > 0.7 * len(letters) else 0


_EMPTY = Reading(-1, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0, "")
