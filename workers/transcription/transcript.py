"""What was said and when, and the files that tell it."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple, Protocol

from shared import files
from shared.progress import Progress
from workers.transcription.captions import captions, write_srt, write_vtt

PARAGRAPH_PAUSE_S = 2.0  # a pause this long begins a new paragraph
PARAGRAPH_FULL_WORDS = 60  # from here on the next sentence end closes it
PARAGRAPH_MOST_WORDS = 150
SENTENCE_ENDS = (".", "!", "?", "…", "。", "！", "？")
UNSPACED_LANGUAGES = frozenset({"zh", "yue", "ja", "th", "lo", "my", "km"})


class Word(NamedTuple):
    """One word with its punctuation; start and end in seconds of the recording, confidence 0-1 or None."""

    word: str
    start: float
    end: float
    confidence: float | None


class Paragraph(NamedTuple):
    """Sentences that belong together. start, end: seconds from the start of the recording."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """The words of a recording.

    language: a code such as "en", None when nobody spoke.  confidence: mean of the words', None without
    words.  cost_estimate_usd: None when the model's price is not known.
    """

    language: str | None
    provider: str
    model: str
    duration_seconds: float
    confidence: float | None
    cost_estimate_usd: float | None
    words: tuple[Word, ...]
    paragraphs: tuple[Paragraph, ...]
    text: str
    warnings: tuple[str, ...] = ()

    def summary(self) -> dict[str, object]:
        """What the result document says of it."""
        return {
            "language": self.language,
            "words": len(self.words),
            "confidence": self.confidence,
            "provider": self.provider,
            "cost_estimate_usd": self.cost_estimate_usd,
        }


class Transcriber(Protocol):
    """Turns sound into words."""

    def check(self, language: str) -> None:
        """Raise UnsupportedLanguage when `language` ("en", "auto", ...) can't be transcribed. Does no work."""

    def transcribe(self, audio: Path, *, language: str, work: Path, progress: Progress) -> Transcript:
        """The words in `audio`. Finished chunks are kept in the folder `work`, so that a second try goes on."""


def transcript_of(
    words: Iterable[Word],
    *,
    language: str | None,
    provider: str,
    model: str,
    duration_seconds: float,
    cost_estimate_usd: float | None,
    warnings: tuple[str, ...] = (),
    paragraphs: tuple[Paragraph, ...] | None = None,
) -> Transcript:
    """A transcript from its words: in order, inside the recording, rounded; paragraphs made where there are none."""
    clean = tuple(_in_order(words, duration_seconds))
    rated = [word.confidence for word in clean if word.confidence is not None]
    return Transcript(
        language=language if clean else None,
        provider=provider,
        model=model,
        duration_seconds=round(duration_seconds, 3),
        confidence=round(sum(rated) / len(rated), 4) if rated else None,
        cost_estimate_usd=None if cost_estimate_usd is None else round(cost_estimate_usd, 6),
        words=clean,
        paragraphs=tuple(_paragraphs(clean, language)) if paragraphs is None else paragraphs,
        text=join_words(clean, language),
        warnings=warnings,
    )


def join_words(words: Iterable[Word], language: str | None) -> str:
    """The words as running text."""
    return ("" if language in UNSPACED_LANGUAGES else " ").join(word.word for word in words)


def _in_order(words: Iterable[Word], duration_s: float) -> Iterator[Word]:
    """Words by start, none empty, none ending before it starts or after the recording."""
    for word in sorted(words, key=lambda word: word.start):
        text = " ".join(word.word.split())
        if not text:
            continue
        start = min(max(word.start, 0.0), duration_s)
        end = min(max(word.end, start), duration_s)
        confidence = None if word.confidence is None else round(word.confidence, 4)
        yield Word(text, round(float(start), 3), round(float(end), 3), confidence)


def _paragraphs(words: tuple[Word, ...], language: str | None) -> Iterator[Paragraph]:
    current: list[Word] = []
    for word in words:
        if current and _is_full(current, word):
            yield Paragraph(current[0].start, current[-1].end, join_words(current, language))
            current = []
        current.append(word)
    if current:
        yield Paragraph(current[0].start, current[-1].end, join_words(current, language))


def _is_full(current: list[Word], following: Word) -> bool:
    last = current[-1]
    if following.start - last.end >= PARAGRAPH_PAUSE_S or len(current) >= PARAGRAPH_MOST_WORDS:
        return True
    return len(current) >= PARAGRAPH_FULL_WORDS and last.word.endswith(SENTENCE_ENDS)


def write_files(transcript: Transcript, into: Path) -> tuple[str, ...]:
    """Write the transcript's files into the folder `into`; returns their names.

    Texts in the CSV files are always quoted and otherwise as they were said: a cell may begin with = + - or @.
    """
    cues = captions(transcript.words, unspaced=transcript.language in UNSPACED_LANGUAGES)
    writers: dict[str, Callable[[IO[str]], None]] = {
        files.TRANSCRIPT.name: lambda file: _write_json(transcript, file),
        files.WORDS.name: lambda file: _write_words(transcript.words, file),
        files.PARAGRAPHS.name: lambda file: _write_paragraphs(transcript.paragraphs, file),
        files.CAPTIONS_SRT.name: lambda file: write_srt(cues, file),
        files.CAPTIONS_VTT.name: lambda file: write_vtt(cues, file),
    }
    for name, write in writers.items():
        with (into / name).open("w", encoding="utf-8", newline="", errors="replace") as file:
            write(file)
    return tuple(writers)


def _write_json(transcript: Transcript, file: IO[str]) -> None:
    document = {
        "language": transcript.language,
        "provider": transcript.provider,
        "model": transcript.model,
        "duration_seconds": transcript.duration_seconds,
        "confidence": transcript.confidence,
        "cost_estimate_usd": transcript.cost_estimate_usd,
        "text": transcript.text,
        "words": [word._asdict() for word in transcript.words],
        "paragraphs": [paragraph._asdict() for paragraph in transcript.paragraphs],
    }
    json.dump(document, file, ensure_ascii=False, allow_nan=False, indent=1)


def _write_words(words: tuple[Word, ...], file: IO[str]) -> None:
    file.write("word,start_time,end_time,confidence\n")
    csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n").writerows(
        (word.word, word.start, word.end, "" if word.confidence is None else word.confidence) for word in words
    )


def _write_paragraphs(paragraphs: tuple[Paragraph, ...], file: IO[str]) -> None:
    file.write("start_time,end_time,text\n")
    csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n").writerows(paragraphs)
