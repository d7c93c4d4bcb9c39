"""The chat of a VOD: slices of its time fetched several at once, spooled to disk, joined without doubles.

A slice is half-open in time, so none of its comments belongs to another. After a kill each slice goes on behind the
last page that its ledger says is written.
"""

import json
import shutil
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from shared.atomic import written_whole
from shared.errors import Cancelled, ChatUnavailable, ExternalServiceError
from shared.net.retry import EXTERNAL, RetryPolicy, call_with_retry
from shared.progress import Progress
from workers.chatlog import Comment, read_comments, write_comment
from workers.download.chat_pages import ChatPages, CursorRefused, NoComments, Page, Position
from workers.download.graphql import Graphql
from workers.download.http import RETRIED
from workers.download.ledger import disk_errors
from workers.download.sources import ChatSummary

SLICES_PER_RANGE = 8  # finer slices than ranges: busy hours would leave the others waiting
MIN_SLICE_S = 60
MAX_SLICES = 512
MAX_COMMENTS = 20_000_000
MAX_IDLE_PAGES = 2000  # without a new comment, one after another
REMEMBERED_IDS = 5000  # doubles are on neighbouring pages
TICK_S = 0.5
COPY_BYTES = 2**20


@dataclass(frozen=True, kw_only=True)
class ChatSettings:
    """ranges: pages on their way together."""

    ranges: int = 4
    retry: RetryPolicy = EXTERNAL


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
    _join([(_spool_path(folder, one), state.mixed) for one, state in zip(slices, states, strict=True)], into)
    progress(1.0)
    return ChatSummary(messages, _warnings(states, messages))


def _warnings(states: Sequence[State], messages: int) -> tuple[str, ...]:
    crowded = sum(state.crowded for state in states)
    told = []
    if crowded:
        told.append(f"{crowded} very busy seconds of chat may miss comments: Twitch gave no exact way to page them.")
    if not messages:
        told.append("Nobody wrote in the chat of this video.")
    return tuple(told)


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
        self._reached: dict[int, float] = {}

    def run(self, progress: Progress) -> list[State]:
        """Fetch all slices; the end states."""
        self._probe()
        pool = ThreadPoolExecutor(self.settings.ranges, thread_name_prefix="chat")
        futures: list[Future[State]] = [pool.submit(_SliceFetch(self, one).run) for one in self._slices]
        left = set(futures)
        try:
            while left:
                finished, left = wait(left, timeout=TICK_S, return_when=FIRST_COMPLETED)
                for future in finished:
                    future.result()
                progress(min(sum(self._reached.values()) / self._length_s, 1.0) * 0.99)
        finally:
            with self.writing:
                self.stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
        return [future.result() for future in futures]

    def _probe(self) -> None:
        """See whether there is a chat at all, unless an earlier try found one."""
        first = self._slices[0]
        if _load(self.folder, first) is not None:
            return
        try:
            page = self.page(Position(first.begin))
        except NoComments as error:
            raise ChatUnavailable("The chat of this video is switched off.") from error
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


class _SliceFetch:
    """Fetches one slice, page by page, from where an earlier try stopped."""

    def __init__(self, crew: _Crew, one: Slice) -> None:
        self._crew = crew
        self._slice = one
        # A page may begin a little before or behind the second it was asked for.
        self._state = _load(crew.folder, one) or State(Position(max(0, one.begin - 1)))
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

    def _files(self) -> "_SliceFiles":
        path = _spool_path(self._crew.folder, self._slice)
        if path.exists():
            with path.open("r+b") as file:
                file.truncate(self._state.size)
            for comment in read_comments(path):
                self._remember(comment.id)
                self._latest_s = comment.offset_seconds
        return _SliceFiles(path)

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


class _SliceFiles:
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


def _spool_path(folder: Path, one: Slice) -> Path:
    return folder / f"slice-{one.number:03d}-{one.begin}-{one.end}.jsonl"


def _load(folder: Path, one: Slice) -> State | None:
    """The last state that an earlier try wrote whole."""
    spool = _spool_path(folder, one)
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


def _join(spools: Sequence[tuple[Path, bool]], into: Path) -> None:
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
