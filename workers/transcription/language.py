"""Telling which language is spoken, on stretches of up to 30 s.

A model that knows English only writes English whatever it hears. What it makes of other languages gives it away: it is
unsure, says the same again and again, or nothing. Measured on 80 recordings of up to a minute, read by people and by
espeak-ng, with tiny.en: of the speech at least 0.83 is unclear by these limits in 17 other languages, at most 0.53 in
English, 0.57 under pink noise at 2 dB but for one accent, of which nothing is left then.
"""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

UNSURE_LOG_PROBABILITY = -0.62  # mean of the tokens', natural logarithm
REPEATING_COMPRESSION = 2.0  # of the text by zlib
UNCLEAR_SHARE = 0.66  # of the speech
LEAST_SPEECH_S = 10.0  # less is not judged
WINDOWS, WINDOW_S = 8, 30.0
SURE = 0.6  # of a language detector's probabilities
MOST_VOTES = 0.6  # of the windows


class Heard(Protocol):
    """What faster-whisper tells of a stretch of sound."""

    start: float
    end: float
    avg_logprob: float
    compression_ratio: float


class Clarity(NamedTuple):
    """Seconds of speech, by the voice detector, and of what the model wrote down clearly."""

    spoken_s: float = 0.0
    clear_s: float = 0.0

    def with_stretch(self, stretch: Heard) -> "Clarity":
        clear = stretch.avg_logprob >= UNSURE_LOG_PROBABILITY and stretch.compression_ratio <= REPEATING_COMPRESSION
        return self._replace(clear_s=self.clear_s + float(stretch.end - stretch.start) * clear)

    @property
    def is_judged(self) -> bool:
        """Whether there is speech enough to say anything."""
        return self.spoken_s >= LEAST_SPEECH_S

    @property
    def is_other_language(self) -> bool:
        """Whether it is not the language that the model writes."""
        return self.is_judged and self.clear_s <= (1 - UNCLEAR_SHARE) * self.spoken_s


def joint(parts: Iterable[Clarity]) -> Clarity:
    """The clarity of all parts together."""
    parts = tuple(parts)
    return Clarity(sum(part.spoken_s for part in parts), sum(part.clear_s for part in parts))


def windows(duration_s: float) -> tuple[tuple[float, float], ...]:
    """Starts and ends in seconds of the stretches to listen to, spread over a recording of this length."""
    count = min(WINDOWS, max(1, int(duration_s // WINDOW_S)))
    middles = [duration_s * (number + 0.5) / count for number in range(count)]
    return tuple((max(0.0, at - WINDOW_S / 2), min(duration_s, at + WINDOW_S / 2)) for at in middles)


def elected(votes: Iterable[tuple[str, float]]) -> str | None:
    """The language that most windows are sure of; None when they are not sure, or disagree.

    votes: a language and its probability for each window.
    """
    sure = [language for language, probability in votes if probability >= SURE]
    found = max(sure, key=sure.count, default=None)
    return found if found is not None and sure.count(found) >= MOST_VOTES * len(sure) else None
