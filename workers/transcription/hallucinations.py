"""Telling words that were heard from words a speech model made up.

Source of the limits: Whisper's own decoding rules (Radford et al. 2022, arXiv:2212.04356, section 4.5).
"""

from collections.abc import Sequence
from typing import Protocol

from workers.transcription.transcript import Word

NO_SPEECH_PROBABILITY = 0.6
LOWEST_LOG_PROBABILITY = -1.0  # mean of the tokens', natural logarithm
LONGEST_LOOP_WORDS = 8
REPEATS_KEPT = 4


class Heard(Protocol):
    """What faster-whisper tells of a stretch of sound."""

    avg_logprob: float
    no_speech_prob: float


def is_unlikely(segment: Heard) -> bool:
    """Probably no speech, and the words unsure too."""
    return segment.no_speech_prob > NO_SPEECH_PROBABILITY and segment.avg_logprob < LOWEST_LOG_PROBABILITY


def without_loops(words: Sequence[Word]) -> list[Word]:
    """The words without the endless repeats that models fall into: of the same 1-8 words in a row four are kept."""
    kept: list[Word] = []
    for word in words:
        kept.append(word)
        if any(_is_loop(kept, length) for length in range(1, LONGEST_LOOP_WORDS + 1)):
            length = next(length for length in range(1, LONGEST_LOOP_WORDS + 1) if _is_loop(kept, length))
            del kept[-length:]
    return kept


def _is_loop(words: Sequence[Word], length: int) -> bool:
    """Whether the last `length` words stand there more often than is kept."""
    needed = length * (REPEATS_KEPT + 1)
    if len(words) < needed:
        return False
    tail = [word.word for word in words[-needed:]]
    return tail[length:] == tail[:-length]
