"""What a chat token means: its emotion, its crowd, its valence. Data: `lexicon.toml` and VADER's word list."""

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypedDict, cast

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from shared.emotions import EMOTIONS
from workers.analysis import shapes
from workers.analysis.shapes import fold, squeeze

CROWDS = ("greetings", "farewells", "answers", "thanks", "games", "music")
VALENCE = (2.2, 1.8, 2.4, -2.0, -1.6, -0.4)  # of each emotion, VADER's scale
_SHOCK, _EXCITEMENT, _ANSWERS = EMOTIONS.index("shock"), EMOTIONS.index("excitement"), CROWDS.index("answers")
_CHANNEL_EMOTE = re.compile(r"[a-z][a-z0-9]{1,14}([A-Z0-9][A-Za-z0-9]{0,20})\Z")
_EDGES = " \t\"'`.,;!?~*_()[]{}<>|…。，！？、～「」『』ー♪"
_MAX_TOKEN_CHARS = 60
_SHORTEST_FOLDED = 4  # shorter words without their accents are too often words of another language
_STRETCHED = re.compile(r"(\w)\1{3}|!!|\?\?")
_CAPITALS = 3
_SHOUTED = 0.6  # of an answer that is none

_HAN, _KANA, _HANGUL, _THAI = "[一-鿿]", "[぀-ヿ]", "[가-힣]", "[฀-๿]"
_UNSPACED = re.compile(rf"{_HAN}|{_KANA}|{_HANGUL}|{_THAI}")
_HAN_RUNS, _KANA_FIRST, _THAI_FIRST = re.compile(rf"{_HAN}{{2,}}"), re.compile(_KANA), re.compile(_THAI)
_MAX_UNSPACED = 14  # longer texts without spaces are sentences
# What stands around a word of a language without spaces: marks first, then words that only strengthen it.
_AFFIXES = (
    "ーっッ!！",
    "ーっッ!！太真超很也這这那就啊呀吧哦喔了啦喲哟耶欸喂よねなわぞだかwㅋㅎㅠㅜ",
    "ーっッ太好真超很我的就啊呀吧了啦すぎるて笑爆네요다",
)
_TAIL = 3  # signs that may follow a known word of kana, Hangul or Thai
_COMMON_SHARE = 0.3


# By second word: the rest after it and the emotion, longest first.
Phrases = dict[str, tuple[tuple[tuple[str, ...], int], ...]]


class Meaning(NamedTuple):
    """One token. emotion: index in EMOTIONS or -1.  crowd: index in CROWDS or -1.  valence: VADER's scale, -4 to 4.

    weak: an everyday word, whose emotion counts only where it is most of what is said.  capital: such a word in
    capitals.  filler: says nothing by itself.  loud: stretched letters or repeated marks.  shout: how far its shape
    alone is one, 0-1.  mention: names another user.  link: an address.  known: a word of the lexicon or its languages.
    form: how the word stands in phrases, "" for none.  starts: the phrases it begins, see `Phrases`.
    """

    emotion: int
    weak: bool
    capital: bool
    crowd: int
    valence: float
    loud: bool
    shout: float
    filler: bool
    mention: bool
    link: bool
    known: bool
    form: str
    starts: Phrases | None


NOTHING = Meaning(-1, False, False, -1, 0.0, False, 0.0, False, False, False, False, "", None)
PLAIN = NOTHING._replace(known=True)


class Lexicon(NamedTuple):
    """emotions: of words that react anywhere.  weak: of everyday words.  squeezed: both without repeated letters."""

    emotions: dict[str, int]
    weak: dict[str, int]
    squeezed: dict[str, int]
    endings: dict[str, int]
    phrases: dict[str, Phrases]  # by first word
    phrase_words: frozenset[str]
    crowds: dict[str, int]
    fillers: frozenset[str]
    valences: dict[str, float]
    common: frozenset[str]
    signs: frozenset[str]


class LexiconFile(TypedDict):
    """lexicon.toml: words by kind, those of a kind apart by white space, phrases by bars and lines."""

    emotes: str
    emotions: dict[str, str]
    weak: dict[str, str]
    phrases: dict[str, str]
    fillers: dict[str, str]
    emote_endings: dict[str, str]
    crowds: dict[str, str]
    clip: dict[str, str]
    common: dict[str, str]


@cache
def data() -> LexiconFile:
    """lexicon.toml as it is written."""
    text = Path(__file__).with_name("lexicon.toml").read_text(encoding="utf-8")
    return cast("LexiconFile", tomllib.loads(text))


@cache
def emote_names() -> frozenset[str]:
    """Emotes every chat knows, as they are written."""
    return frozenset(data()["emotes"].split())


@cache
def lexicon() -> Lexicon:
    """lexicon.toml, indexed by word."""
    words = data()
    emotions = _index({name: words["emotions"][name].split() for name in EMOTIONS}, EMOTIONS)
    weak = _index({name: words["weak"][name].split() for name in EMOTIONS}, EMOTIONS)
    phrases = _split(words["phrases"])
    squeezed: dict[str, int] = {}
    for token, emotion in (*emotions.items(), *weak.items()):
        short = squeeze(token)
        if len(short) > 1:
            squeezed.setdefault(short, emotion)
    return Lexicon(
        emotions=emotions,
        weak=weak,
        squeezed=squeezed,
        endings=_index({name: ends.split() for name, ends in words["emote_endings"].items()}, EMOTIONS),
        phrases=_by_words(phrases),
        phrase_words=frozenset(word for phrase, _ in phrases for word in phrase),
        crowds=_index({name: words["crowds"][name].split() for name in CROWDS}, CROWDS),
        fillers=_folded(words["fillers"]["words"]),
        valences=dict(SentimentIntensityAnalyzer().lexicon),
        common=_folded(words["common"]["words"]),
        signs=frozenset(words["common"]["signs"]),
    )


def _folded(words: str) -> frozenset[str]:
    listed = words.lower().split()
    return frozenset(listed) | frozenset(fold(word) for word in listed)


def _index(groups: dict[str, list[str]], order: tuple[str, ...]) -> dict[str, int]:
    found: dict[str, int] = {}
    listed = [(token.lower(), order.index(name)) for name, tokens in groups.items() for token in tokens]
    for token, place in listed:
        found.setdefault(token, place)
    for token, place in listed:
        folded = fold(token)
        if len(folded) >= _SHORTEST_FOLDED or (not token.isascii() and not folded.isascii()):
            found.setdefault(folded, place)
    return found


def _split(groups: dict[str, str]) -> list[tuple[tuple[str, ...], int]]:
    """Every phrase's words and its emotion."""
    return [
        (tuple(squeeze(fold(word)) for word in phrase.split()), EMOTIONS.index(name))
        for name, listed in groups.items()
        for phrase in listed.replace("\n", "|").split("|")
        if " " in phrase.strip()
    ]


def _by_words(phrases: list[tuple[tuple[str, ...], int]]) -> dict[str, Phrases]:
    found: dict[str, Phrases] = {}
    for (first, second, *rest), emotion in sorted(phrases, key=lambda one: -len(one[0])):
        follow = found.setdefault(first, {})
        follow[second] = (*follow.get(second, ()), (tuple(rest), emotion))
    return found


def is_channel_emote(token: str) -> bool:
    """Whether `token` looks like a channel's own emote (`xyzHype`) and is not one that every chat knows."""
    match = _CHANNEL_EMOTE.match(token)
    return match is not None and token.lower() not in lexicon().emotions


def meaning(token: str) -> Meaning:
    """What `token` (as written, no white space) stands for."""
    token = token[:_MAX_TOKEN_CHARS]
    if shapes.is_link(token):
        return PLAIN._replace(link=True)
    if token[0] == "@" and len(token) > 1:
        return PLAIN._replace(mention=True)
    words, lower = lexicon(), token.lower()
    folded = plain = fold(token)
    if plain.isascii() and not token.isascii() and len(plain) < _SHORTEST_FOLDED:
        folded = lower
    bare, bare_folded = lower.strip(_EDGES), folded.strip(_EDGES)
    emotion, weak = _emotion(token, (lower, bare, folded, bare_folded), words)
    shout = shapes.shout(token, folded)
    crowd = _crowd(bare, bare_folded, words)
    if crowd == _ANSWERS:
        emotion, weak, crowd = _answer(emotion, weak, shout >= _SHOUTED)
    form = squeeze(plain.strip(_EDGES))
    loud = _STRETCHED.search(token) is not None and not lower.isdecimal()
    found = Meaning(
        emotion=emotion,
        weak=weak and emotion >= 0,
        capital=weak and emotion >= 0 and len(bare) >= _CAPITALS and token.isupper(),
        crowd=crowd,
        valence=VALENCE[emotion] if emotion >= 0 and not weak else words.valences.get(bare, 0.0),
        loud=loud,
        shout=shout,
        filler=bare in words.fillers or bare_folded in words.fillers,
        mention=False,
        link=False,
        known=emotion >= 0 or crowd >= 0 or form in words.phrase_words or _is_common(bare, bare_folded, words),
        form=form if form in words.phrase_words else "",
        starts=words.phrases.get(form),
    )
    return NOTHING if found == NOTHING else PLAIN if found == PLAIN else found


def _answer(emotion: int, weak: bool, shouted: bool) -> tuple[int, bool, int]:
    """An answer's emotion and crowd: a shouted one ("NOOOOO") is no answer, and a plain one is no reaction."""
    if shouted:
        return (emotion if emotion >= 0 else _EXCITEMENT), False, -1
    return (-1, False, _ANSWERS) if weak else (emotion, weak, _ANSWERS)


def _crowd(bare: str, folded: str, words: Lexicon) -> int:
    crowd = words.crowds.get(bare, words.crowds.get(folded, -1) if len(folded) > 1 else -1)
    if crowd < 0 and len(bare) > 3 and shapes.is_stretched(folded):
        short = squeeze(folded)  # "hiiii", "yesss"
        crowd = words.crowds.get(short, -1) if len(short) > 1 or short in "wl" else -1
    return crowd


def _is_common(bare: str, folded: str, words: Lexicon) -> bool:
    if bare in words.common or folded in words.common or bare in words.valences or bare in words.fillers:
        return True
    if not _UNSPACED.search(bare):
        return False
    return sum(sign in words.signs for sign in bare) >= _COMMON_SHARE * len(bare)


def _emotion(token: str, forms: tuple[str, str, str, str], words: Lexicon) -> tuple[int, bool]:
    """The emotion's index or -1, and whether it is only an everyday word's."""
    lower, bare, folded, bare_folded = forms
    strong = next((words.emotions[form] for form in forms if form in words.emotions), -1)
    if strong >= 0:
        return strong, False
    shaped = shapes.emotion_by_shape(token, folded)
    if not shaped and bare_folded != folded:
        shaped = shapes.emotion_by_shape(token, bare_folded)
    if shaped:
        return EMOTIONS.index(shaped), False
    if not bare:
        return (_SHOCK if lower.count("?") + lower.count("？") >= 2 or lower.count("!") >= 3 else -1), False
    everyday = words.weak.get(bare, words.weak.get(bare_folded, -1))
    if everyday >= 0:
        return everyday, not _emphatic(token, bare_folded)
    stretched = _stretched(bare_folded, words)
    if stretched >= 0:
        return stretched, False
    ending = _CHANNEL_EMOTE.match(token)
    if ending:
        return words.endings.get(ending.group(1).lower(), -1), False
    return _signs(bare, words)


def _stretched(bare: str, words: Lexicon) -> int:
    if not shapes.is_stretched(bare):
        # One letter more at the end ("vayy") is enough for words that react anywhere.
        doubled = len(bare) >= _SHORTEST_FOLDED and bare[-1] == bare[-2]
        return words.emotions.get(bare[:-1], -1) if doubled else -1
    short = squeeze(bare)
    return words.squeezed.get(short, words.weak.get(short, -1))


def _emphatic(token: str, bare: str) -> bool:
    """Whether an everyday word is stretched or marked."""
    return shapes.is_stretched(bare) or token.endswith(("!!", "??"))


def _signs(bare: str, words: Lexicon) -> tuple[int, bool]:
    """The emotion of emoji, or of a short text without spaces that holds a known word."""
    if bare.isascii():
        return -1, False
    if shapes.is_emoji(bare):
        found = (words.emotions.get(sign, -1) for sign in shapes.without_joiners(bare))
        return next((emotion for emotion in found if emotion >= 0), -1), False
    if bare[0] in words.emotions and len(set(bare)) == 1:
        return words.emotions[bare[0]], False
    if len(bare) > _MAX_UNSPACED or not _UNSPACED.search(bare):
        return -1, False
    stripped = _without_affixes(bare, words)
    return (stripped if stripped >= 0 else _inside(bare, words)), False


def _without_affixes(bare: str, words: Lexicon) -> int:
    before = bare
    for affixes in _AFFIXES:
        stem = bare.strip(affixes)
        if not stem or stem == before:
            continue
        emotion = words.emotions.get(stem, words.weak.get(stem, -1))
        if emotion >= 0:
            return emotion
        shaped = shapes.emotion_by_shape(stem, stem)
        if shaped:
            return EMOTIONS.index(shaped)
        before = stem
    return -1


def _inside(bare: str, words: Lexicon) -> int:
    """The emotion of a Chinese word anywhere in `bare` (two signs or more), of other scripts at its beginning."""
    for run in _HAN_RUNS.findall(bare):
        for size in (4, 3, 2):
            for start in range(len(run) - size + 1):
                emotion = words.emotions.get(run[start : start + size], -1)
                if emotion >= 0:
                    return emotion
    thai = _THAI_FIRST.match(bare) is not None
    for size in range(len(bare), max(1, len(bare) - (2 * _TAIL if thai else _TAIL) - 1), -1):
        emotion = words.emotions.get(bare[:size], words.weak.get(bare[:size], -1) if thai else -1)
        if emotion >= 0 and not (size == 2 and _KANA_FIRST.match(bare)):  # "あっ" begins "あった"
            return emotion
    return -1
