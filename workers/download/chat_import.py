"""Chat files of TwitchDownloader become `chat.jsonl`: cleaned, sorted by time, each comment once."""

import io
import math
import mmap
import time
from array import array
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from shared.progress import Progress
from workers.chatlog import Comment, Emote, write_comment
from workers.download.chat_json import ChatFile
from workers.download.ledger import disk_errors
from workers.download.sources import ChatSummary

MOST_COMMENTS = 5_000_000
LONGEST_TEXT_BYTES = 4096
LONGEST_NAME_BYTES = 128
LONGEST_OFFSET_S = 7 * 24 * 3600.0
MOST_EMOTES = 500  # in one comment
MOST_BADGES = 20
MOST_BITS = 10_000_000
REPORT_EVERY_S = 0.5
READING_SHARE = 0.8  # of the progress; the rest is writing in order


def import_chat(source: Path, into: Path, *, work: Path, progress: Progress) -> ChatSummary:
    """Write the comments of the chat file `source` (plain or gzip) to `into`, in the order of the recording.

    Memory stays under 100 bytes a comment; texts wait in a file in `work`. Records that are no comments are left out
    and counted in the warnings, repeated ids too. Raises ChatUnavailable when the file is broken or no chat.
    """
    spool_path = work / "chat.spool"
    try:
        with disk_errors(), spool_path.open("wb+") as spool:
            spooled = _Spool(spool)
            _read(ChatFile(source), spooled, progress)
            order = spooled.order()
            _write(spool, spooled, order, into, progress)
    finally:
        spool_path.unlink(missing_ok=True)
    progress(1.0)
    return ChatSummary(len(order), spooled.warnings(len(order)))


class _Spool:
    """Comments in a file as they come; their times, places and ids in memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self.odd = 0
        self.cut_texts = 0
        self.beyond = False
        self._file = file
        self._at = 0
        self._offsets = array("d")
        self._places = array("q")
        self._ids = array("Q")

    def __len__(self) -> int:
        return len(self._offsets)

    def add(self, comment: Comment) -> None:
        line = io.StringIO()
        write_comment(line, comment)
        data = line.getvalue().encode()
        self._file.write(data)
        self._offsets.append(comment.offset_seconds)
        self._places.append(self._at)
        self._ids.append(int.from_bytes(blake2b(comment.id.encode(), digest_size=8).digest()))
        self._at += len(data)

    def order(self) -> npt.NDArray[np.int64]:
        """Indexes by time, in the file's order where times are equal, the first of each id only."""
        _, firsts = np.unique(np.frombuffer(self._ids, dtype=np.uint64), return_index=True)
        firsts.sort()
        by_time = np.argsort(np.frombuffer(self._offsets, dtype=np.float64)[firsts], kind="stable")
        return np.asarray(firsts[by_time], dtype=np.int64)

    def spans(self, order: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
        """Where each comment of `order` begins and ends in the file."""
        ends = self._places[1:]
        ends.append(self._at)
        for index in order.tolist():
            yield self._places[index], ends[index]

    def warnings(self, kept: int) -> tuple[str, ...]:
        repeated = len(self) - kept
        found = (
            (self.odd, f"{self.odd} records of the chat file are no comments and were left out."),
            (repeated, f"{repeated} comments stood in the chat file twice."),
            (self.cut_texts, f"{self.cut_texts} comments were longer than {LONGEST_TEXT_BYTES} bytes and cut."),
            (self.beyond, f"Only the first {MOST_COMMENTS} comments of the chat file were read."),
            (not kept, "The chat file holds no comments."),
        )
        return tuple(text for is_so, text in found if is_so)


def _read(chat: ChatFile, spool: _Spool, progress: Progress) -> None:
    next_report = 0.0
    for number, record in enumerate(chat.records()):
        if len(spool) >= MOST_COMMENTS:
            spool.beyond = True
            return
        comment = parse_comment(record, number)
        if comment is None:
            spool.odd += 1
        else:
            spool.cut_texts += len(comment.text) * 4 >= LONGEST_TEXT_BYTES and _is_cut(record)
            spool.add(comment)
        if number % 512 == 0 and time.monotonic() >= next_report:
            next_report = time.monotonic() + REPORT_EVERY_S
            progress(READING_SHARE * chat.done)


def _write(file: IO[bytes], spool: _Spool, order: npt.NDArray[np.int64], into: Path, progress: Progress) -> None:
    next_report = 0.0
    file.flush()
    with into.open("wb") as out:
        if not len(order):
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as lines:
            for number, (start, end) in enumerate(spool.spans(order)):
                out.write(lines[start:end])
                if number % 512 == 0 and time.monotonic() >= next_report:
                    next_report = time.monotonic() + REPORT_EVERY_S
                    progress(READING_SHARE + (1 - READING_SHARE) * number / len(order))


def parse_comment(record: object, number: int) -> Comment | None:
    """The comment in a record of a chat file, None when it is none. `number`: stands in for a missing id."""
    if not isinstance(record, dict) or not isinstance(message := record.get("message"), dict):
        return None
    offset = record.get("content_offset_seconds")
    if isinstance(offset, bool) or not isinstance(offset, int | float):
        return None
    if not math.isfinite(offset) or not 0 <= offset <= LONGEST_OFFSET_S:
        return None
    body = _body(message)
    if body is None:
        return None
    text = _short(body, LONGEST_TEXT_BYTES)
    return Comment(
        id=_name(record.get("_id")) or f"n{number}",
        offset_seconds=float(offset),
        user=_user(record.get("commenter")),
        text=text,
        emotes=tuple(_emotes(message, body))[:MOST_EMOTES],
        badges=tuple(_badges(message)),
        bits=_bits(message.get("bits_spent")),
    )


def _body(message: dict[str, Any]) -> str | None:
    body = message.get("body")
    if isinstance(body, str):
        return body
    texts = [fragment.get("text") for fragment in _dicts(message.get("fragments"))]
    return "".join(text for text in texts if isinstance(text, str)) if texts else None


def _is_cut(record: dict[str, Any]) -> bool:
    return len((_body(record["message"]) or "").encode("utf-8", "replace")) > LONGEST_TEXT_BYTES


def _short(text: str, limit_bytes: int) -> str:
    """`text` in at most `limit_bytes` of UTF-8; half characters, which JSON can hold, become question marks."""
    if text.isascii() and len(text) <= limit_bytes:
        return text
    return text[:limit_bytes].encode("utf-8", "replace")[:limit_bytes].decode("utf-8", "ignore")


def _name(value: object) -> str | None:
    """A short text; numbers count, as ids come in both forms."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return _short(value, LONGEST_NAME_BYTES) or None if isinstance(value, str) else None


def _user(commenter: object) -> str | None:
    if not isinstance(commenter, dict):
        return None
    return _name(commenter.get("name")) or _name(commenter.get("display_name"))


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _emotes(message: dict[str, Any], body: str) -> Iterator[Emote]:
    fragments = _dicts(message.get("fragments"))
    for fragment in fragments:
        emoticon, text = fragment.get("emoticon"), fragment.get("text")
        if isinstance(emoticon, dict) and isinstance(text, str) and (id_ := _name(emoticon.get("emoticon_id"))):
            yield Emote(id_, _short(text.strip(), LONGEST_NAME_BYTES))
    if fragments:
        return
    for emoticon in _dicts(message.get("emoticons")):
        begin, end, id_ = emoticon.get("begin"), emoticon.get("end"), _name(emoticon.get("_id"))
        if id_ and isinstance(begin, int) and isinstance(end, int) and 0 <= begin <= end < len(body):
            yield Emote(id_, _short(body[begin : end + 1], LONGEST_NAME_BYTES))


def _badges(message: dict[str, Any]) -> Iterator[str]:
    for badge in _dicts(message.get("user_badges"))[:MOST_BADGES]:
        if name := _name(badge.get("_id")):
            yield name


def _bits(value: object) -> int:
    return min(value, MOST_BITS) if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
