"""The records of a TwitchDownloader chat file, one at a time, in bounded memory whatever the file holds."""

import codecs
import gzip
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from shared.errors import ChatUnavailable
from shared.net.edges import shortage

CHUNK_BYTES = 256 * 1024
MOST_BYTES = 2 * 1024**3  # unpacked
LARGEST_VALUE_CHARS = 8 * 1024**2  # one comment, or one header field before the comments
GZIP_MAGIC = b"\x1f\x8b"

_SPACE = re.compile(r"[ \t\n\r]*")
_BROKEN = "The chat file is not valid JSON, or breaks off."


class ChatFile:
    """The comments of the chat file at `path`, plain or gzip: `records()` yields each as parsed JSON.

    `done` is the part of the file that has been read, 0.0-1.0.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._bytes_on_disk = 1
        self._raw: BinaryIO | None = None

    @property
    def done(self) -> float:
        return min(self._raw.tell() / self._bytes_on_disk, 1.0) if self._raw and not self._raw.closed else 1.0

    def records(self) -> Iterator[Any]:
        """Every element of the `comments` array. Raises ChatUnavailable when there is none or it is broken."""
        try:
            with self._path.open("rb") as self._raw:
                self._bytes_on_disk = max(self._path.stat().st_size, 1)
                packed = self._raw.read(2) == GZIP_MAGIC
                self._raw.seek(0)
                if packed:
                    with gzip.GzipFile(fileobj=self._raw) as unpacked:
                        yield from _Reader(unpacked).records()
                else:
                    yield from _Reader(self._raw).records()
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ChatUnavailable("The chat file's gzip packing is damaged or breaks off.") from error
        except OSError as error:
            raise (shortage(error) or ChatUnavailable("The chat file can't be read.")) from error


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) < 19 else float(digits)


class _Reader:
    """A window of text over the file; values are decoded from its start and dropped."""

    def __init__(self, file: BinaryIO | gzip.GzipFile) -> None:
        self._file = file
        self._text = ""
        self._at = 0
        self._bytes = 0
        self._ended = False
        self._decode_bytes = codecs.getincrementaldecoder("utf-8-sig")(errors="replace").decode
        self._decode_json = json.JSONDecoder(parse_int=_number).raw_decode

    def records(self) -> Iterator[Any]:
        if self._peek() != "[":
            self._find_comments()
        self._expect("[")
        if self._peek() == "]":
            return
        while True:
            yield self._value()
            if self._peek() == "]":
                return
            self._expect(",")

    def _find_comments(self) -> None:
        self._expect("{")
        while self._peek() != "}":
            key = self._value()
            self._expect(":")
            if key == "comments":
                return
            self._value()
            if self._peek() != "}":
                self._expect(",")
        raise ChatUnavailable("The file is JSON, but no chat: it has no list of comments.")

    def _expect(self, char: str) -> None:
        if self._peek() != char:
            raise ChatUnavailable(_BROKEN)
        self._at += 1

    def _peek(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            space = _SPACE.match(self._text, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._fill():
                return ""

    def _value(self) -> object:
        self._peek()
        while True:
            try:
                value, end = self._decode_json(self._text, self._at)
            except RecursionError as error:
                raise ChatUnavailable("The chat file is nested too deeply.") from error
            except ValueError as error:
                # Broken, or only not read to its end yet.
                if len(self._text) - self._at > LARGEST_VALUE_CHARS or not self._fill():
                    raise ChatUnavailable(_BROKEN) from error
                continue
            # A number may go on in the next chunk.
            if end == len(self._text) and self._fill():
                continue
            self._at = end
            return value

    def _fill(self) -> bool:
        """Read on; False at the end of the file."""
        if self._ended:
            return False
        # Doubling keeps the work for one large value linear.
        wanted = max(CHUNK_BYTES, len(self._text) - self._at)
        chunk = self._file.read(wanted)
        self._bytes += len(chunk)
        if self._bytes > MOST_BYTES:
            raise ChatUnavailable(f"The chat file is larger than {MOST_BYTES / 1024**3:g} GiB unpacked.")
        self._ended = not chunk
        self._text = self._text[self._at :] + self._decode_bytes(chunk, final=self._ended)
        self._at = 0
        return not self._ended
