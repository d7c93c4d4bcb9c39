"""Viewers who ask to clip what just happened ("clip it", "!clip", "クリップ"), told from talk about clips."""

import re
from functools import cache
from typing import NamedTuple

from workers.analysis.lexicon import data
from workers.analysis.shapes import fold, squeeze

_MAX_TOKENS = 6  # a longer message talks about clips
_MORE_UNSPACED = 2  # signs around the word, in languages without spaces
_EDGES = " .,!~*'\"()"


class _Words(NamedTuple):
    calls: frozenset[str]
    nouns: frozenset[str]
    objects: frozenset[str]
    callers: frozenset[str]
    never: frozenset[str]
    unspaced: tuple[str, ...]
    stems: re.Pattern[str]


@cache
def _words() -> _Words:
    listed = data()["clip"]
    calls, nouns, objects, callers, never = (
        frozenset(squeeze(fold(word)) for word in listed[name].split())
        for name in ("calls", "nouns", "objects", "callers", "never")
    )
    unspaced = tuple(listed["unspaced"].split())
    return _Words(calls, nouns, objects, callers, never, unspaced, re.compile("|".join((*unspaced, "клип", "كليب"))))


def may_ask_for_a_clip(lower: str) -> bool:
    """A quick look at a message in lower case, before the exact one."""
    if "clip" in lower or "klip" in lower:
        return True
    return not lower.isascii() and _words().stems.search(lower) is not None


def asks_for_a_clip(tokens: list[str]) -> bool:
    """tokens: of one message, as written."""
    words = _words()
    if len(tokens) > _MAX_TOKENS or any("/" in token or token[-1] in "?？" for token in tokens):
        return False
    if len(tokens) == 1 and _is_unspaced_call(tokens[0].strip(_EDGES), words):
        return True
    forms = [squeeze(fold(token).strip(_EDGES)) for token in tokens]
    if any(form in words.never for form in forms):
        return False
    if any(form in words.calls for form in forms):
        return True
    return all(form in words.nouns for form in forms) or any(
        form in words.nouns and _called(words, forms, place) for place, form in enumerate(forms)
    )


def _is_unspaced_call(text: str, words: _Words) -> bool:
    return any(part in text and len(text) <= len(part) + _MORE_UNSPACED for part in words.unspaced)


def _called(words: _Words, forms: list[str], place: int) -> bool:
    before, after = forms[:place], forms[place + 1 :]
    if before and before[-1] not in words.callers and before[-1] not in words.nouns:
        return False
    return bool(after and after[0] in words.objects) or bool(before and before[-1] in words.callers)
