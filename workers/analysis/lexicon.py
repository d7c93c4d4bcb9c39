"""What a chat token means: its emotion, its crowd, its valence. Data: `lexicon.toml` and VADER's word list."""

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from workers.analysis import shapes
from workers.analysis.shapes import fold, squeeze

EMOTIONS = ("excitement", "funny", "happiness", "anger", "sadness", "shock")
CROWDS = ("greetings", "farewells", "answers", "thanks", "games", "music")
_VALENCE = {"excitement": 2.2, "funny": 1.8, "happiness": 2.4, "anger": -2.0, "sadness": -1.6, "shock": -0.4}
_SHOCK, _EXCITEMENT, _ANSWERS = EMOTIONS.index("shock"), EMOTIONS.index("excitement"), CROWDS.index("answers")
_CHANNEL_EMOTE = re.compile(r"[a-z][a-z0-9]{1,14}([A-Z0-9][A-Za-z0-9]{0,20})\Z")
_EDGES = " \t\"'`.,;!?~*_()[]{}<>|…。，！？、～「」『』ー♪"
_MAX_TOKEN_CHARS = 60
_SHORTEST_FOLDED = 4  # shorter words without their accents are too often words of another language
_STRETCHED = re.compile(r"(\w)\1{3}|!!|\?\?")
_CAPITALS = 3

_HAN, _KANA, _HANGUL, _THAI = "[一-鿿]", "[぀-ヿ]", "[가-힣]", "[฀-๿]"
_UNSPACED = re.compile(rf"{_HAN}|{_KANA}|{_HANGUL}|{_THAI}")
_MAX_UNSPACED = 14  # longer texts without spaces are sentences
_AFFIXES = "太好真超很也这這那就好啊呀吧哦喔了啦喲哟耶惹欸喂我的よねなわぞだっッーww笑です네요다ㅋㅎㅠㅜ!！"
_TAIL = 3  # signs that may follow a known word of kana, Hangul or Thai
_COMMON_SHARE = 0.3


class Meaning(NamedTuple):
    """One token. emotion: index in EMOTIONS or -1.  crowd: index in CROWDS or -1.  valence: VADER's scale, -4 to 4.

    weak: an everyday word, whose emotion counts only where it is most of what is said.  filler: says nothing by itself.
    loud: stretched letters or repeated marks.  shout: how far its shape alone is a shout, 0-1.  mention: names another
    user.  link: an address.  starts: may be the first word of a phrase.  known: a word of the lexicon or its languages.
    """

    emotion: int
    weak: bool
    crowd: int
    valence: float
    loud: bool
    shout: float
    filler: bool
    mention: bool
    link: bool
    starts: bool
    known: bool


NOTHING = Meaning(-1, False, -1, 0.0, False, 0.0, False, False, False, False, False)
PLAIN = NOTHING._replace(known=True)


class Lexicon(NamedTuple):
    """emotions: of words that react anywhere.  weak: of everyday words.  squeezed: both without repeated letters."""

    emotions: dict[str, int]
    weak: dict[str, int]
    squeezed: dict[str, int]
    endings: dict[str, int]
    phrases: dict[
        str, tuple[tuple[tuple[str, ...], int], ...]
    ]  # by first word, the rest and the emotion, longest first
    crowds: dict[str, int]
    fillers: frozenset[str]
    valences: dict[str, float]
    common: frozenset[str]
    signs: frozenset[str]


@cache
def data() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("lexicon.toml").read_text(encoding="utf-8"))


@cache
def emote_names() -> frozenset[str]:
    """Emotes every chat knows, as they are written."""
    return frozenset(data()["emotes"].split())


@cache
def lexicon() -> Lexicon:
    words = data()
    emotions = _index({name: words["emotions"][name].split() for name in EMOTIONS}, EMOTIONS)
    weak = _index({name: words["weak"][name].split() for name in EMOTIONS}, EMOTIONS)
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
        phrases=_phrases(words["phrases"]),
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


def _phrases(groups: dict[str, str]) -> dict[str, tuple[tuple[tuple[str, ...], int], ...]]:
    found: dict[str, set[tuple[tuple[str, ...], int]]] = {}
    for name, listed in groups.items():
        for phrase in listed.replace("\n", "|").split("|"):
            first, *rest = (squeeze(fold(word)) for word in phrase.split())
            if rest:
                found.setdefault(first, set()).add((tuple(rest), EMOTIONS.index(name)))
    return {first: tuple(sorted(rests, key=lambda one: (-len(one[0]), one))) for first, rests in found.items()}


def phrase_form(token: str) -> str:
    """How `token` stands in `Lexicon.phrases`."""
    return squeeze(fold(token[:_MAX_TOKEN_CHARS]).strip(_EDGES))


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
    words, lower, folded = lexicon(), token.lower(), fold(token)
    bare, bare_folded = lower.strip(_EDGES), folded.strip(_EDGES)
    emotion, weak = _emotion(token, (lower, bare, folded, bare_folded), words)
    crowd = _crowd(bare, bare_folded, words)
    stretched = shapes.is_stretched(bare_folded)
    if crowd == _ANSWERS:
        emotion, weak, crowd = _answer(emotion, weak, stretched or shapes.shout(token, folded) >= 0.7)
    loud = _STRETCHED.search(token) is not None and not lower.isdecimal()
    found = Meaning(
        emotion=emotion,
        weak=weak and emotion >= 0,
        crowd=crowd,
        valence=_VALENCE[EMOTIONS[emotion]] if emotion >= 0 and not weak else words.valences.get(bare, 0.0),
        loud=loud,
        shout=shapes.shout(token, folded),
        filler=bare in words.fillers or bare_folded in words.fillers,
        mention=False,
        link=False,
        starts=squeeze(bare_folded) in words.phrases,
        known=emotion >= 0 or crowd >= 0 or _is_common(bare, bare_folded, words),
    )
    return NOTHING if found == NOTHING else PLAIN if found == PLAIN else found


def _answer(emotion: int, weak: bool, shouted: bool) -> tuple[int, bool, int]:
    """An answer's emotion and crowd: a shouted one ("NOOOOO") is no answer, and a plain one is no reaction."""
    if shouted:
        return (emotion if emotion >= 0 else _EXCITEMENT), False, -1
    return (-1, False, _ANSWERS) if weak else (emotion, weak, _ANSWERS)


def _crowd(bare: str, folded: str, words: Lexicon) -> int:
    crowd = words.crowds.get(bare, words.crowds.get(folded, -1))
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
    for form in forms:
        if form in words.emotions:
            return words.emotions[form], False
    shaped = shapes.emotion_by_shape(token, bare_folded) or shapes.emotion_by_shape(token, folded)
    if shaped:
        return EMOTIONS.index(shaped), False
    if not bare:
        return (_SHOCK if lower.count("?") + lower.count("？") >= 2 or lower.count("!") >= 3 else -1), False
    for form in (bare, bare_folded):
        if form in words.weak:
            return words.weak[form], not _emphatic(token, bare_folded)
    if shapes.is_stretched(bare_folded):
        short = squeeze(bare_folded)
        stretched = words.squeezed.get(short, words.weak.get(short, -1))
        if stretched >= 0:
            return stretched, False
    ending = _CHANNEL_EMOTE.match(token)
    if ending:
        return words.endings.get(ending.group(1).lower(), -1), False
    return _signs(bare, words)


def _emphatic(token: str, bare: str) -> bool:
    """Whether an everyday word is stretched, in capitals or marked."""
    return shapes.is_stretched(bare) or token.endswith(("!!", "??")) or (len(bare) >= _CAPITALS and token.isupper())


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
    stem = bare.strip(_AFFIXES)
    for form in (stem, squeeze(stem)):
        if form in words.emotions:
            return words.emotions[form], False
        if form in words.weak:
            return words.weak[form], False
    return _inside(bare, words), False


def _inside(bare: str, words: Lexicon) -> int:
    """The emotion of a Chinese word of two signs or more anywhere in `bare`, of kana, Hangul or Thai at its beginning."""
    for size in (4, 3, 2):
        for start in range(len(bare) - size + 1):
            part = bare[start : start + size]
            if part in words.emotions and re.fullmatch(f"{_HAN}+", part):
                return words.emotions[part]
    for size in range(min(len(bare), 10), 1, -1):
        part = bare[:size]
        short_kana = size == 2 and re.match(_KANA, part)  # "あっ" begins "あった"
        if part in words.emotions and len(bare) - size <= _TAIL and not short_kana and _UNSPACED.match(part):
            return words.emotions[part]
    return -1
