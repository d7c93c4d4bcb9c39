"""A moment of a recording worth keeping, as the result document has it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Self

from shared.records import Record


@dataclass(frozen=True, kw_only=True)
class Highlight(Record):
    """What is known about one moment. Seconds from the start of the recording; None where it was not measured.

    rank: from 1, the best.  score: 0-1.  reasons: short sentences with figures.  chat_sample: messages of the moment.
    signals: z-score by name.  clip_url, thumbnail_url: None when no clip was cut.  verdict: good or bad, of the job's
    owner. The members stand in the order in which the document shows them.
    """

    rank: int
    start_seconds: float
    end_seconds: float
    peak_seconds: float
    score: float
    emotion: str | None
    title: str | None
    reasons: tuple[str, ...]
    transcript: str | None
    chat_sample: tuple[str, ...] | None
    signals: Mapping[str, float]
    clip_url: str | None = None
    thumbnail_url: str | None = None
    watch_url: str | None = None
    verdict: str | None = None

    @classmethod
    def of(cls, members: Mapping[str, object]) -> Self:
        """Out of JSON, which has no tuples."""
        highlight = super().of(members)
        sample = highlight.chat_sample
        return replace(
            highlight, reasons=tuple(highlight.reasons), chat_sample=None if sample is None else tuple(sample)
        )


def as_dicts(highlights: Iterable[Highlight]) -> list[dict[str, object]]:
    """As they stand in JSON."""
    return [highlight.as_dict() for highlight in highlights]
