"""A finished `chat.jsonl` moved in time, and what of it lies outside the recording."""

from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from shared.atomic import written_whole
from workers.download.chat_import import OFFSET_FIELD, shifted
from workers.download.chat_placing import Recording, outside, outside_warnings
from workers.download.ledger import disk_errors
from workers.download.sources import ChatSummary


def shift_chat(path: Path, summary: ChatSummary, recording: Recording) -> ChatSummary:
    """Move the comments of `path` by the recording's chat offset; those before its start go, and all outside are told.
    Its gaps move with it.

    summary: of the chat as it is. Its own warnings stay.
    """
    times = _moved(path, recording.chat_offset_s) if recording.chat_offset_s else _times(path)
    found = outside(np.frombuffer(times, dtype=np.float64), recording)
    warnings = (*outside_warnings(found, recording), *summary.warnings)
    return ChatSummary(found.total - found.before, warnings, tuple(_moved_gaps(summary, recording)))


def _moved_gaps(summary: ChatSummary, recording: Recording) -> Iterator[tuple[float, float]]:
    for start, end in summary.gaps:
        start, end = (max(0.0, edge + recording.chat_offset_s) for edge in (start, end))
        end = end if recording.duration_s is None else min(end, recording.duration_s)
        if start < end:
            yield start, end


def _times(path: Path) -> "array[float]":
    with path.open("rb") as lines:
        return array("d", map(_time_of, lines))


def _moved(path: Path, by_s: float) -> "array[float]":
    """The new times of all comments; those from 0 on are written."""
    times = array("d")
    with disk_errors(), path.open("rb") as lines, written_whole(path) as temporary, temporary.open("wb") as out:
        for line in lines:
            later = shifted(line, by_s)
            times.append(_time_of(later))
            if times[-1] >= 0:
                out.write(later)
    return times


def _time_of(line: bytes) -> float:
    return float(line.partition(OFFSET_FIELD)[2].partition(b",")[0])
