"""Slices of a chat on disk: each has a spool with its comments, and a ledger that says which of them are whole.

After a kill a slice goes on behind the last page that its ledger says is written.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple

from shared.atomic import written_whole
from workers.chatlog import read_comments, write_comment
from workers.download.chat_pages import Position
from workers.download.ledger import disk_errors

SLICES_PER_RANGE = 8  # finer slices than ranges: busy hours would leave the others waiting
MIN_SLICE_S = 60
MAX_SLICES = 512
COPY_BYTES = 2**20


class Slice(NamedTuple):
    """Seconds [begin, end) of the recording; the last one has no end, for comments after the video's."""

    number: int
    begin: int
    end: int | None


class State(NamedTuple):
    """How far a slice is: the next page, and the size of its spool.

    crowded: seconds that may miss comments.  mixed: its comments did not come in the order of their times.
    """

    position: Position
    size: int = 0
    comments: int = 0
    crowded: int = 0
    done: bool = False
    mixed: bool = False


def slices_of(length_s: float, ranges: int) -> list[Slice]:
    """The same slices for the same recording, so that a later try can go on with them."""
    count = 1 if ranges == 1 else max(1, min(ranges * SLICES_PER_RANGE, int(length_s // MIN_SLICE_S), MAX_SLICES))
    edges = [int(length_s * index / count) for index in range(count)]
    return [
        Slice(number, begin, edges[number + 1] if number + 1 < count else None) for number, begin in enumerate(edges)
    ]


class SliceFiles:
    """The spool and the ledger of a slice, open for appending."""

    def __init__(self, path: Path) -> None:
        with disk_errors():
            self._spool = path.open("a", encoding="utf-8")
            self._ledger = path.with_suffix(".ledger").open("a", encoding="utf-8")

    def __enter__(self) -> tuple[IO[str], IO[str]]:
        return self._spool, self._ledger

    def __exit__(self, *_exc: object) -> None:
        self._spool.close()
        self._ledger.close()


def cut(spool: Path, state: State) -> None:
    """Take off what was written behind the last whole page."""
    with spool.open("r+b") as file:
        file.truncate(state.size)


def spool_path(folder: Path, one: Slice) -> Path:
    return folder / f"slice-{one.number:03d}-{one.begin}-{one.end}.jsonl"


def load(folder: Path, one: Slice) -> State | None:
    """The last state that an earlier try wrote whole."""
    spool = spool_path(folder, one)
    path = spool.with_suffix(".ledger")
    if not path.exists() or not spool.exists():
        return None
    whole = path.read_text(encoding="utf-8", errors="replace").rpartition("\n")[0].splitlines()
    size = spool.stat().st_size
    for line in reversed(whole):
        try:
            position, *rest = json.loads(line)
            state = State(Position(*position), *rest)
        except (ValueError, TypeError):
            continue
        if state.size <= size:
            return state
    return None


def join(spools: Sequence[tuple[Path, bool]], into: Path) -> None:
    """Put the slices together, in the order of time; those of one second stay in Twitch's order."""
    with disk_errors(), written_whole(into) as temporary, temporary.open("wb") as file:
        for path, mixed in spools:
            if mixed:
                _sort(path)
            with path.open("rb") as spool:
                shutil.copyfileobj(spool, file, COPY_BYTES)


def _sort(path: Path) -> None:
    ordered = sorted(read_comments(path), key=lambda comment: comment.offset_seconds)
    with written_whole(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for comment in ordered:
            write_comment(file, comment)
