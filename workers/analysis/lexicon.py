"""What a chat token means: its emotion, its crowd, its valence. Data: `lexicon.toml` and VADER's word list."""

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

EMOTIONS = ("excitement", "funny", "happiness", "anger", "sadness", "shock")
CROWDS = ("greetings", "farewells", "answers", "thanks", "games", "music")
_VALENCE = {"excitement": 2.2, "funny": 1.8, "happiness": 2.4, "anger": -2.0, "sadness": -1.6, "shock": -0.4}
_CHANNEL_EMOTE = re.compile(r"[a-z][a-z0-9]{1,14}([A-Z0-9][A-Za-z0-9]{0,20})\Z")
_RUNS = re.compile(r"(.)\1+")
_RUN = re.compile(r"(.)\1")
_LAUGH = re.compile(r"(?:a?(?:ha|he|hi|ja|je|ah|ха|ах|хе|哈|ㅋ|ㅎ|ｗ|笑){3,}[ahjwxkхфа]*|k{4,}|5{3,}|23{2,})\Z")
_EDGES = " \t\"'`.,;!?~*_()[]{}<>|…。，！？、～「」『』"
_MAX_TOKEN_CHARS = 60


class Meaning(NamedTuple):
    """One token. emotion: index in EMOTIONS or -1.  crowd: index in CROWDS or -1.  valence: VADER's scale, -4 to 4.

    loud: stretched letters or repeated marks.  mention: names another user.  starts: may be the first word of a phrase.
    """

    emotion: int
    crowd: int
    valence: float
    loud: bool
    mention: bool
    starts: bool


NOTHING = Meaning(-1, -1, 0.0, loud=False, mention=False, starts=False)
_STRETCHED = re.compile(r"(\w)\1{3}|!!|\?\?")


class Lexicon(NamedTuple):
    emotions: dict[str, int]
    squeezed: dict[str, int]  # the same without repeated letters
    endings: dict[str, int]
    phrases: dict[str, int]
    phrase_starts: frozenset[str]
    crowds: dict[str, int]
    valences: dict[str, float]


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("lexicon.toml").read_text(encoding="utf-8"))


@cache
def emote_names() -> frozenset[str]:
    """Emotes every chat knows, as they are written."""
    return frozenset(_data()["emotes"].split())


@cache
def lexicon() -> Lexicon:
    data = _data()
    emotions = _index({name: data["emotions"][name].split() for name in EMOTIONS}, EMOTIONS)
    squeezed: dict[str, int] = {}
    for token, emotion in emotions.items():
        short = squeeze(token)
        if len(short) > 1:
            squeezed.setdefault(short, emotion)
    phrases = _index(data["phrases"], EMOTIONS)
    return Lexicon(
        emotions=emotions,
        squeezed=squeezed,
        endings=_index({name: words.split() for name, words in data["emote_endings"].items()}, EMOTIONS),
        phrases=phrases,
        phrase_starts=frozenset(phrase.split()[0] for phrase in phrases),
        crowds=_index({name: data["crowds"][name].split() for name in CROWDS}, CROWDS),
        valences=dict(SentimentIntensityAnalyzer().lexicon),
    )


def _index(groups: dict[str, list[str]], order: tuple[str, ...]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, tokens in groups.items():
        for token in tokens:
            found.setdefault(token.lower(), order.index(name))
    return found


def squeeze(token: str) -> str:
    """`token` with every run of one character cut to one."""
    return _RUNS.sub(r"\1", token)


def is_channel_emote(token: str) -> bool:
    """Whether `token` looks like a channel's own emote (`xyzHype`) and is not one that every chat knows."""
    match = _CHANNEL_EMOTE.match(token)
    return match is not None and token.lower() not in lexicon().emotions


def meaning(token: str) -> Meaning:
    """What `token` (as written, no white space) stands for."""
    if len(token) > _MAX_TOKEN_CHARS:
        token = token[:_MAX_TOKEN_CHARS]
    words = lexicon()
    lower = token.lower()
    bare = lower.strip(_EDGES)
    emotion = _emotion(token, lower, bare, words)
    crowd = words.crowds.get(bare, -1)
    if crowd < 0 and len(bare) > 3 and bare[-1] == bare[-2]:
        crowd = words.crowds.get(squeeze(bare), -1)  # "hiiii", "yesss"
    valence = words.valences.get(bare)
    if valence is None or emotion >= 0:
        valence = _VALENCE[EMOTIONS[emotion]] if emotion >= 0 else 0.0
    loud = _STRETCHED.search(token) is not None and not lower.isdecimal()
    found = Meaning(emotion, crowd, valence, loud, token[0] == "@" and len(token) > 1, lower in words.phrase_starts)
    return NOTHING if found == NOTHING else found


def _emotion(token: str, lower: str, bare: str, words: Lexicon) -> int:
    for form in (lower, bare):
        if form in words.emotions:
            return words.emotions[form]
    if not bare:
        return EMOTIONS.index("shock") if lower.count("?") >= 2 or lower.count("!") >= 3 else -1
    if _LAUGH.match(bare):
        return EMOTIONS.index("funny")
    if len(bare) > 2 and _RUN.search(bare):
        short = squeeze(bare)
        # Only a stretched word may match by its letters: "god" is not a stretched "go", "looool" is a stretched "lol".
        if len(short) < len(bare) - 1 and short in words.squeezed:
            return words.squeezed[short]
    ending = _CHANNEL_EMOTE.match(token)
    if ending:
        return words.endings.get(ending.group(1).lower(), -1)
    return _first_symbol(bare, words)


def _first_symbol(bare: str, words: Lexicon) -> int:
    """The emotion of an emoji, or of a short ideographic word made of one known sign."""
    if bare[0] in words.emotions and not bare[0].isascii() and (not bare[0].isalpha() or len(set(bare)) == 1):
        return words.emotions[bare[0]]
    if len(bare) > 12 or bare.isascii():
        return -1
    for size in (4, 3, 2):
        if len(bare) >= size:
            for start in range(len(bare) - size + 1):
                part = bare[start : start + size]
                if not part.isascii() and part[0] > "⺀" and part in words.emotions:
                    return words.emotions[part]
    return -1
