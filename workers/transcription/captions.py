"""Captions people can read: at most two lines of 42 characters, each shown for 1 to 7 seconds.

Source of the limits: Netflix Timed Text Style Guide, general requirements, and BBC Subtitle Guidelines.
"""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, NamedTuple, Protocol

LINE_CHARS = 42
LINES = 2
SHORTEST_S = 1.0
LONGEST_S = 7.0
PAUSE_S = 1.0  # a longer pause ends a caption
SENTENCE_ENDS = (".", "!", "?", "…", "。", "！", "？")


class Timed(Protocol):
    """A word with its time in seconds."""

    @property
    def word(self) -> str: ...
    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...


class Cue(NamedTuple):
    """One caption: shown from start to end (seconds), one or two lines."""

    start: float
    end: float
    lines: tuple[str, ...]


class _Piece(NamedTuple):
    word: str
    start: float
    end: float


def captions(words: Iterable[Timed], *, unspaced: bool = False) -> list[Cue]:
    """Captions for `words`, none overlapping. `unspaced`: the language writes no spaces between words."""
    glue = "" if unspaced else " "
    cues: list[Cue] = []
    group: list[_Piece] = []
    for piece in _pieces(words):
        if group and _ends_before(group, piece, glue):
            _append(cues, group, glue)
            group = []
        group.append(piece)
    if group:
        _append(cues, group, glue)
    return cues


def _pieces(words: Iterable[Timed]) -> Iterator[_Piece]:
    """The words; one longer than a line in parts, its time shared out by length."""
    for word in words:
        parts = [word.word[at : at + LINE_CHARS] for at in range(0, len(word.word), LINE_CHARS)]
        step = (word.end - word.start) / max(len(parts), 1)
        for number, part in enumerate(parts):
            yield _Piece(part, word.start + number * step, word.start + (number + 1) * step)


def _ends_before(group: Sequence[_Piece], following: _Piece, glue: str) -> bool:
    first, last = group[0], group[-1]
    if following.start - last.end > PAUSE_S or following.end - first.start > LONGEST_S:
        return True
    if last.word.endswith(SENTENCE_ENDS) and last.end - first.start >= SHORTEST_S:
        return True
    return len(_wrap([*group, following], glue)) > LINES


def _wrap(group: Sequence[_Piece], glue: str) -> list[str]:
    text = glue.join(piece.word for piece in group)
    # Without spaces there is nothing to break at but the characters themselves.
    return textwrap.wrap(text, LINE_CHARS, break_on_hyphens=False, break_long_words=not glue)


def _append(cues: list[Cue], group: Sequence[_Piece], glue: str) -> None:
    start = max(group[0].start, cues[-1].end if cues else 0.0)
    end = min(max(group[-1].end, start + SHORTEST_S), start + LONGEST_S)
    lines = _wrap(group, glue)
    if len(lines) == 1 or not glue:
        cues.append(Cue(round(start, 3), round(end, 3), tuple(lines)))
        return
    cues.append(Cue(round(start, 3), round(end, 3), _balanced([piece.word for piece in group])))


def _balanced(words: list[str]) -> tuple[str, ...]:
    """Two lines of nearly the same length, the lower one longer: that reads fastest."""
    splits = [(" ".join(words[:at]), " ".join(words[at:])) for at in range(1, len(words))]
    fitting = [split for split in splits if max(map(len, split)) <= LINE_CHARS]
    return min(fitting, key=lambda split: (abs(len(split[1]) - len(split[0])), len(split[0])))


def write_srt(cues: Iterable[Cue], file: IO[str]) -> None:
    """SubRip."""
    for number, cue in enumerate(cues, start=1):
        text = "\n".join(cue.lines).replace("-->", "->")
        file.write(f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{text}\n\n")


def write_vtt(cues: Iterable[Cue], file: IO[str]) -> None:
    """WebVTT."""
    file.write("WEBVTT\n\n")
    for cue in cues:
        text = "\n".join(cue.lines).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        file.write(f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{text}\n\n")


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    return (
        f"{milliseconds // 3_600_000:02}:{milliseconds // 60_000 % 60:02}:{milliseconds // 1000 % 60:02}"
        f"{point}{milliseconds % 1000:03}"
    )
