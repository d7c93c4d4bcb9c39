"""The chat of a VOD: slices of its time fetched several at once, spooled to disk, joined without doubles.

A slice is half-open in time, so none of its comments belongs to another.
"""

import json
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from shared.errors import Cancelled, ExternalServiceError
from shared.net.retry import EXTERNAL, RetryPolicy, call_with_retry
from shared.progress import Progress
from workers.chatlog import Comment, read_comments, write_comment
from workers.download.chat_pages import ChatPages, CursorRefused, NoComments, Page, Position
from workers.download.chat_slices import Slice, SliceFiles, State, cut, join, load, slices_of, spool_path
from workers.download.graphql import Graphql
from workers.download.http import RETRIED
from workers.download.ledger import disk_errors
from workers.download.sources import ChatSummary

MAX_COMMENTS = 20_000_000
MAX_IDLE_PAGES = 2000  # without a new comment, one after another
REMEMBERED_IDS = 5000  # doubles are on neighbouring pages
TICK_S = 0.5


@dataclass(frozen=True, kw_only=True)
class ChatSettings:
    """ranges: pages on their way together."""

    ranges: int = 4
    retry: RetryPolicy = EXTERNAL


def fetch_chat(
    graphql: Graphql,
    video_id: str,
    into: Path,
    *,
    length_s: float,
    work: Path,
    progress: Progress,
    settings: ChatSettings,
) -> ChatSummary:
    """Write every comment to `into` (chat.jsonl), in order.

    Raises ChatUnavailable when there is no chat, RateLimitExceeded, ExternalServiceError and the network errors.
    """
    folder = work / "chat"
    folder.mkdir(parents=True, exist_ok=True)
    slices = slices_of(length_s, settings.ranges)
    pages = ChatPages(graphql, video_id)
    crew = _Crew(pages, folder, slices, settings, length_s)
    states = crew.run(progress)
    messages = sum(state.comments for state in states)
    join([(spool_path(folder, one), state.mixed) for one, state in zip(slices, states, strict=True)], into)
    progress(1.0)
    return ChatSummary(messages, _warnings(states, messages))


def fetched_so_far(into: Path, *, length_s: float, work: Path, settings: ChatSettings) -> ChatSummary | None:
    """Write to `into` what earlier tries of `fetch_chat` have brought, and tell the gaps; None when that is nothing."""
    folder = work / "chat"
    slices = slices_of(length_s, settings.ranges)
    states = [load(folder, one) for one in slices]
    messages = sum(state.comments for state in states if state)
    if not messages:
        return None
    spools = []
    for one, state in zip(slices, states, strict=True):
        if state is not None:
            cut(spool_path(folder, one), state)
            spools.append((spool_path(folder, one), state.mixed))
    join(spools, into)
    gaps = tuple(_gaps(slices, states, length_s))
    known = [state for state in states if state]
    return ChatSummary(messages, (missing_chat(gaps), *_warnings(known, messages)), gaps)


def missing_chat(gaps: Sequence[tuple[float, float]]) -> str:
    """What the user should know about gaps."""
    minutes = sum(end - start for start, end in gaps) / 60
    return f"{minutes:.1f} min of chat are missing: Twitch did not give them out."


def _gaps(slices: Sequence[Slice], states: Sequence[State | None], length_s: float) -> list[tuple[float, float]]:
    """What unfinished slices lack, neighbours put together."""
    gaps: list[tuple[float, float]] = []
    for one, state in zip(slices, states, strict=True):
        start = float(max(state.position.offset_s, one.begin) if state else one.begin)
        end = length_s if one.end is None else float(one.end)
        if (state is not None and state.done) or start >= end:
            continue
        if gaps and gaps[-1][1] == start:
            start = gaps.pop()[0]
        gaps.append((start, end))
    return gaps


def _warnings(states: Sequence[State], messages: int) -> tuple[str, ...]:
    crowded = sum(state.crowded for state in states)
    warnings = []
    if crowded:
        warnings.append(
            f"{crowded} very busy seconds of chat may miss comments: Twitch gave no exact way to page them."
        )
    if not messages:
        warnings.append("Nobody wrote in the chat of this video.")
    return tuple(warnings)


class _Crew:
    """The threads that fetch slices, and what they share."""

    def __init__(
        self, pages: ChatPages, folder: Path, slices: Sequence[Slice], settings: ChatSettings, length_s: float
    ) -> None:
        self.stop = threading.Event()
        self.writing = threading.Lock()
        self.by_offset = threading.Event()  # cursors are refused: all go on by offsets
        self.pages = pages
        self.folder = folder
        self.settings = settings
        self._slices = slices
        self._length_s = max(length_s, 1.0)
        self.pages_taken = 0
        self._reached: dict[int, float] = {}

    def run(self, progress: Progress) -> list[State]:
        """Fetch all slices; the end states."""
        self._probe()
        pool = ThreadPoolExecutor(self.settings.ranges, thread_name_prefix="chat")
        futures: list[Future[State]] = [pool.submit(_SliceFetch(self, one).run) for one in self._slices]
        left = set(futures)
        failures = _Failures()
        try:
            while left:
                finished, left = wait(left, timeout=TICK_S, return_when=FIRST_COMPLETED)
                failures.add([error for future in finished if (error := future.exception())], self.pages_taken)
                progress(min(sum(self._reached.values()) / self._length_s, 1.0) * 0.99)
        finally:
            with self.writing:
                self.stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
        failures.tell()
        return [future.result() for future in futures]

    def _probe(self) -> None:
        """See whether there is a chat at all, unless an earlier try found one."""
        if any(load(self.folder, one) is not None for one in self._slices):
            return
        first, other = self._slices[0], self._slices[len(self._slices) // 2]
        try:
            page = self.page(Position(first.begin))
        except RETRIED as error:
            if isinstance(error, NoComments) or other is first:
                raise
            # It may be this page alone that Twitch can't give out.
            first, page = other, self.page(Position(max(0, other.begin - 1)))
        _SliceFetch(self, first).take_first(page)

    def page(self, at: Position) -> Page:
        """One page, tried again on failures that pass."""
        return call_with_retry(
            lambda: self.pages.get(at), policy=self.settings.retry, retry_on=RETRIED, sleep=self._sleep
        )

    def reached(self, one: Slice, offset_s: float) -> None:
        end = self._length_s if one.end is None else one.end
        self._reached[one.number] = max(0.0, min(offset_s, end) - one.begin)

    def _sleep(self, seconds: float) -> None:
        if self.stop.wait(seconds):
            raise Cancelled


class _Failures:
    """Slices that could not be had. One alone leaves the others their turn, so that a page that Twitch can't give out
    costs only what is behind it; when nothing works any more, all stop.
    """

    def __init__(self) -> None:
        self._first: BaseException | None = None
        self._pages_taken = 0

    def add(self, errors: Sequence[BaseException], pages_taken: int) -> None:
        """Raises what concerns all slices; and any error when one failed before and no page was had in between."""
        for error in errors:
            if not isinstance(error, RETRIED):
                raise error
            if self._first is not None and pages_taken == self._pages_taken:
                raise self._first
            self._first, self._pages_taken = self._first or error, pages_taken

    def tell(self) -> None:
        if self._first is not None:
            raise self._first


class _SliceFetch:
    """Fetches one slice, page by page, from where an earlier try stopped."""

    def __init__(self, crew: _Crew, one: Slice) -> None:
        self._crew = crew
        self._slice = one
        # A page may begin a little before or behind the second it was asked for.
        self._state = load(crew.folder, one) or State(Position(max(0, one.begin - 1)))
        self._recent: deque[str] = deque(maxlen=REMEMBERED_IDS)
        self._seen: set[str] = set()
        self._idle = 0
        self._latest_s = 0.0
        self._mixed = self._state.mixed

    def take_first(self, page: Page) -> None:
        """Write a page that has been fetched already."""
        with self._files() as (spool, ledger):
            self._take(page, spool, ledger)

    def run(self) -> State:
        """Fetch what is left of the slice."""
        with self._files() as (spool, ledger):
            while not self._state.done:
                page = self._next_page()
                # A thread that was given up may not write: another try may have begun on the same files.
                with self._crew.writing:
                    if self._crew.stop.is_set():
                        raise Cancelled
                    self._take(page, spool, ledger)
                    self._crew.pages_taken += 1
        self._crew.reached(self._slice, float("inf"))
        return self._state

    def _next_page(self) -> Page:
        at = self._state.position
        if at.cursor is not None and not self._crew.by_offset.is_set():
            try:
                return self._crew.page(at)
            except (CursorRefused, NoComments) as error:
                # A cursor may also be refused because it is old; then only this slice goes on by offsets.
                if isinstance(error, CursorRefused):
                    self._crew.by_offset.set()
        return self._crew.page(Position(at.offset_s))

    def _files(self) -> "SliceFiles":
        path = spool_path(self._crew.folder, self._slice)
        if path.exists():
            cut(path, self._state)
            for comment in read_comments(path):
                self._remember(comment.id)
                self._latest_s = comment.offset_seconds
        return SliceFiles(path)

    def _remember(self, identity: str) -> None:
        if len(self._recent) == self._recent.maxlen:
            self._seen.discard(self._recent[0])
        self._recent.append(identity)
        self._seen.add(identity)

    def _take(self, page: Page, spool: IO[str], ledger: IO[str]) -> None:
        """Write the page's new comments, then where to go on."""
        before = self._state
        written = 0
        for comment in page.comments:
            if comment.id not in self._seen:
                self._remember(comment.id)
                written += self._write(comment, spool)
        self._idle = 0 if written else self._idle + 1
        if self._idle > MAX_IDLE_PAGES:
            raise ExternalServiceError("Twitch's chat pages lead in circles.")
        with disk_errors():
            spool.flush()
        self._state = self._after(page, before, spool.tell(), written)
        with disk_errors():
            ledger.write(json.dumps(self._state) + "\n")
            ledger.flush()
        self._crew.reached(self._slice, self._state.position.offset_s)

    def _write(self, comment: Comment, spool: IO[str]) -> int:
        inside = comment.offset_seconds >= self._slice.begin
        if not inside or (self._slice.end is not None and comment.offset_seconds >= self._slice.end):
            return 0
        if self._state.comments >= MAX_COMMENTS:
            return 0
        self._mixed = self._mixed or comment.offset_seconds < self._latest_s
        self._latest_s = comment.offset_seconds
        with disk_errors():
            write_comment(spool, comment)
        return 1

    def _after(self, page: Page, before: State, size: int, written: int) -> State:
        last = int(page.comments[-1].offset_seconds) if page.comments else before.position.offset_s
        offset, crowded = max(last, before.position.offset_s), before.crowded
        past_end = self._slice.end is not None and last >= self._slice.end
        by_offset = page.cursor is None or self._crew.by_offset.is_set()
        if by_offset and offset == before.position.offset_s:
            # All of the page lies in the second that was asked for: only skipping on leads further.
            crowded += 1 if page.more and page.comments else 0
            offset += 1
        stuck = page.cursor is not None and page.cursor == before.position.cursor
        cursor = None if by_offset or stuck else page.cursor
        done = past_end or not page.more
        return State(Position(offset, cursor), size, before.comments + written, crowded, done, self._mixed)
