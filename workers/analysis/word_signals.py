"""The words on the 1 s grid: speech rate, excited phrases, sentiment; and where sentences begin and end."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from shared.emotions import EMOTIONS
from shared.errors import UnsupportedFormat
from workers.analysis.clip_requests import asks_for_clip
from workers.analysis.messages import Reader
from workers.analysis.stats import Floats

MAX_WORDS = 2_000_000
PHRASE_WORDS = 6
_PAUSE_S = 0.7
_SENTENCE_ENDS = ".!?。！？…"


class Word(NamedTuple):
    """A spoken word. start, end: seconds from the start of the recording."""

    word: str
    start: float
    end: float


class Words(NamedTuple):
    """What was said. sentence_starts and sentence_ends: seconds, sorted."""

    words: tuple[Word, ...]
    language: str | None
    sentence_starts: Floats
    sentence_ends: Floats


class WordGrid(NamedTuple):
    """Per second, shape (seconds,). rate: words begun.  phrases: runs of six words begun.

    emotions: shape (6, seconds), reaction mass of the phrases by emotion, in the order of EMOTIONS.  sentiment: sum
    over the phrases that carry one, sentiment_count of them.  clip: how often the speaker asked for a clip.
    """

    rate: Floats
    phrases: Floats
    emotions: Floats
    sentiment: Floats
    sentiment_count: Floats
    clip: Floats


def read_words(transcript: Path) -> Words:
    """The words of a `transcript.json`, in order. Raises UnsupportedFormat when it is not one."""
    try:
        document = json.loads(transcript.read_text(encoding="utf-8"))
        listed = document["words"][:MAX_WORDS]
        words = [Word(str(w["word"])[:100], float(w["start"]), float(w["end"])) for w in listed]
        language = document.get("language")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnsupportedFormat("The transcript is not in the expected form.") from error
    words = sorted((w for w in words if 0 <= w.start <= w.end < 1e6), key=lambda w: (w.start, w.end))
    return sentences(tuple(words), language if isinstance(language, str) else None)


def sentences(words: tuple[Word, ...], language: str | None = None) -> Words:
    """`words` with the borders of sentences: at end marks and at pauses over 0.7 s."""
    starts, ends = [], []
    for index, word in enumerate(words):
        before = words[index - 1] if index else None
        if before is None or before.word[-1:] in _SENTENCE_ENDS or word.start - before.end > _PAUSE_S:
            starts.append(word.start)
            if before is not None:
                ends.append(before.end)
    if words:
        ends.append(words[-1].end)
    return Words(words, language, np.array(starts), np.array(ends))


def word_grid(words: Words, *, seconds: int) -> WordGrid:
    """Everything the words tell, second by second."""
    flat = [np.zeros(seconds) for _ in range(5)]
    grid = WordGrid(flat[0], flat[1], np.zeros((len(EMOTIONS), seconds)), *flat[2:])
    reader = Reader()
    spoken = words.words
    for index, word in enumerate(spoken):
        second = int(word.start)
        if second >= seconds:
            break
        grid.rate[second] += 1
        grid.clip[second] += asks_for_clip([word.word for word in spoken[max(0, index - 3) : index + 2]], min(3, index))
        if index % PHRASE_WORDS == 0:
            _read_phrase(reader, spoken[index : index + PHRASE_WORDS], second, grid)
    return grid


def _read_phrase(reader: Reader, phrase: tuple[Word, ...], second: int, grid: WordGrid) -> None:
    read = reader.read(" ".join(word.word.strip(".,!?") for word in phrase))
    grid.phrases[second] += 1
    if read.emotion >= 0:
        grid.emotions[read.emotion, second] += read.reaction
    if read.sentiment:
        grid.sentiment[second] += read.sentiment
        grid.sentiment_count[second] += 1


def text_between(words: Words, start_s: float, end_s: float) -> str:
    """What was said from start_s to end_s."""
    return " ".join(word.word.strip() for word in words.words if start_s <= word.start < end_s)
