"""Chat files of any form become `chat.jsonl`: cleaned, at their place in the recording, sorted, each comment once."""

import os
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import numpy.typing as npt

from shared.progress import Progress
from shared.throttle import Throttle
from workers.chatlog import Comment, line_of
from workers.download.chat_forms import ChatText, Clock, Entry, Facts, opened, read_entries
from workers.download.chat_forms.clean import LONGEST_TEXT_BYTES
from workers.download.chat_placing import (
    IN_MILLISECONDS,
    Recording,
    identity_notes,
    outside,
    outside_warnings,
    place,
    unit_of,
)
from workers.download.ledger import disk_errors
from workers.download.sources import ChatSummary

MOST_COMMENTS = 5_000_000
LONGEST_OFFSET_S = 7 * 24 * 3600.0  # of times that count from a stream's start
LARGEST_OFFSET = 1000 * LONGEST_OFFSET_S  # as written: they may be milliseconds
LATEST_UTC_S = 32_503_680_000.0  # the year 3000
REPORT_EVERY_S = 0.5
READING_SHARE = 0.8  # of the progress; the rest is writing in order
COPY_BYTES = 1024**2
OFFSET_FIELD = b'"offset_seconds":'

Indexes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Change(NamedTuple):
    """What becomes of the times as written: multiplied by unit_s, then moved by shift_s."""

    unit_s: float = 1.0
    shift_s: float = 0.0


def import_chat(
    source: Path, into: Path, *, work: Path, progress: Progress, recording: Recording | None = None
) -> ChatSummary:
    """Write the comments of the chat file `source`, whatever its form and packing, to `into` in order of time.

    Memory stays under 100 bytes a comment; texts wait in a file in `work`. What is left out or changed is told in the
    warnings: records that are no comments, repeated ids, comments before the recording's start, times that had to be
    placed. Raises ChatUnavailable, saying what the file looks like and what to do, when it can't be read.
    """
    recording = recording or Recording()
    spool_path = work / "chat.spool"
    facts = Facts()
    try:
        with disk_errors(), spool_path.open("wb+") as file:
            spool = _Spool(file)
            with opened(source) as chat:
                _read(chat, facts, spool, progress)
                facts.bad_characters = chat.bad_characters
            summary = _write(spool, facts, recording, into, progress)
    finally:
        spool_path.unlink(missing_ok=True)
    progress(1.0)
    return summary


class _Spool:
    """Comments in a file as they come; their times, places and ids in memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self.clock = Clock.RECORDING
        self.odd = 0
        self.cut_texts = 0
        self.beyond = False
        self._file = file
        self._at = 0
        self._times = array("d")
        self._places = array("q")
        self._ids = array("q")

    def __len__(self) -> int:
        return len(self._times)

    def add(self, entry: Entry) -> None:
        """Keep the comment, unless its time makes no sense or is of another clock than the first one's."""
        comment = entry.comment
        if not len(self):
            self.clock = entry.clock
        if entry.clock is not self.clock or not _is_possible(comment, entry.clock):
            self.odd += 1
            return
        self.cut_texts += entry.cut
        data = line_of(comment).encode()
        self._file.write(data)
        self._times.append(comment.offset_seconds)
        self._places.append(self._at)
        self._ids.append(hash(comment.id))
        self._at += len(data)

    def times(self) -> Floats:
        """Seconds of `clock`, in the file's order."""
        return np.frombuffer(self._times, dtype=np.float64)

    def firsts(self) -> Indexes:
        """The first comment of each id, in the file's order."""
        _, firsts = np.unique(np.frombuffer(self._ids, dtype=np.int64), return_index=True)
        firsts.sort()
        return np.asarray(firsts, dtype=np.int64)

    def runs(self, order: Indexes) -> Iterator[bytes]:
        """The lines of `order`: neighbours in the file together, up to COPY_BYTES."""
        self._file.flush()
        places = np.frombuffer(self._places, dtype=np.int64)
        starts = places[order]
        ends = np.append(places[1:], self._at)[order]
        breaks = np.flatnonzero(starts[1:] != ends[:-1]) + 1
        for first, last in zip([0, *breaks.tolist()], [*breaks.tolist(), len(order)], strict=True):
            start, end = int(starts[first]), int(ends[last - 1])
            yield from self._pieces(start, end)

    def _pieces(self, start: int, end: int) -> Iterator[bytes]:
        """The file's bytes from start to end, in whole lines."""
        rest = b""
        while start < end:
            piece = os.pread(self._file.fileno(), min(COPY_BYTES, end - start), start)
            start += len(piece)
            whole, newline, after = (rest + piece).rpartition(b"\n")
            rest = after
            yield whole + newline


def _is_possible(comment: Comment, clock: Clock) -> bool:
    latest = LATEST_UTC_S if clock is Clock.UTC else LARGEST_OFFSET
    return -LARGEST_OFFSET <= comment.offset_seconds <= latest


def _read(chat: ChatText, facts: Facts, spool: _Spool, progress: Progress) -> None:
    throttle = Throttle(REPORT_EVERY_S)
    for number, entry in enumerate(read_entries(chat, facts)):
        if len(spool) >= MOST_COMMENTS:
            spool.beyond = True
            return
        if entry is None:
            spool.odd += 1
        else:
            spool.add(entry)
        if number % 512 == 0 and throttle.is_due():
            progress(READING_SHARE * chat.done)


def _write(spool: _Spool, facts: Facts, recording: Recording, into: Path, progress: Progress) -> ChatSummary:
    """Place the comments, write those that do not lie before the recording's start."""
    firsts = spool.firsts()
    repeated = len(spool) - len(firsts)
    unit_s = unit_of(spool.times(), spool.clock, recording)
    times = spool.times()[firsts] * unit_s
    if spool.clock is not Clock.UTC:
        sensible = np.abs(times) <= LONGEST_OFFSET_S
        spool.odd += int((~sensible).sum())
        firsts, times = firsts[sensible], times[sensible]
    placement = place(times, spool.clock, facts, recording)
    shift_s = placement.shift_s + recording.chat_offset_s
    if shift_s:
        times = np.round(times + shift_s, 3) + 0.0
    kept = times >= 0
    order = firsts[kept][np.argsort(times[kept], kind="stable")]
    _write_lines(spool, order, Change(unit_s, shift_s), into, progress)
    warnings = (
        *((IN_MILLISECONDS,) if unit_s != 1 else ()),
        *identity_notes(facts, recording),
        *placement.notes,
        *outside_warnings(outside(times, recording), recording),
        *_warnings(spool, facts, repeated=repeated),
    )
    return ChatSummary(len(order), warnings)


def _write_lines(spool: _Spool, order: Indexes, change: Change, into: Path, progress: Progress) -> None:
    throttle = Throttle(REPORT_EVERY_S)
    written = 0
    with into.open("wb") as out:
        for lines in spool.runs(order) if len(order) else ():
            out.write(lines if change == Change() else _changed(lines, change))
            written += lines.count(b"\n")
            if throttle.is_due():
                progress(READING_SHARE + (1 - READING_SHARE) * written / len(order))


def _changed(lines: bytes, change: Change) -> bytes:
    return b"".join(shifted(line, change.shift_s, unit_s=change.unit_s) for line in lines.splitlines(keepends=True))


def shifted(line: bytes, shift_s: float, *, unit_s: float = 1.0) -> bytes:
    """A line of `chat.jsonl` so many seconds later. Quotes inside a value are escaped: the field's name stands once.

    unit_s: how many seconds each unit of the line's time is.
    """
    before, field, after = line.partition(OFFSET_FIELD)
    time, comma, rest = after.partition(b",")
    return b"".join((before, field, repr(round(float(time) * unit_s + shift_s, 3) + 0.0).encode(), comma, rest))


def _warnings(spool: _Spool, facts: Facts, *, repeated: int) -> tuple[str, ...]:
    found = (
        (spool.odd, f"{spool.odd} records of the chat file are no comments and were left out."),
        (repeated, f"{repeated} comments stood in the chat file twice."),
        (spool.cut_texts, f"{spool.cut_texts} comments were longer than {LONGEST_TEXT_BYTES} bytes and cut."),
        (spool.beyond, f"Only the first {MOST_COMMENTS} comments of the chat file were read."),
        (facts.breaks_off, "The chat file breaks off; what stands before that was read."),
        (facts.bad_characters, "Some characters of the chat file could not be read: save it as UTF-8."),
        (not len(spool), "The chat file holds no comments."),
    )
    return tuple(text for is_so, text in found if is_so)
