"""A chat file as text, whatever it is packed or encoded in, in bounded memory."""

import codecs
import gzip
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from shared.errors import ChatUnavailable
from shared.net.edges import shortage
from workers.download.chat_forms.magic import refuse_binary, unreadable

CHUNK_BYTES = 256 * 1024
MOST_BYTES = 2 * 1024**3  # unpacked
HEAD_CHARS = 1024**2  # looked at before the form is known
MOST_MEMBERS = 100
LARGEST_DIRECTORY_BYTES = 1024**2  # of a zip; it is read whole
GZIP_MAGIC, ZIP_MAGIC = b"\x1f\x8b", b"PK\x03\x04"
# The longer marks first: that of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_END_OF_DIRECTORY = struct.Struct("<4s4H2LH")
_END_MAGIC, _ZIP64_MAGIC = b"PK\x05\x06", b"PK\x06\x07"
_LONGEST_ZIP_COMMENT = 65535
ENCRYPTED = 1
BAD_ZIP = "The chat file is a zip that can't be unpacked: damaged, encrypted or of a rare kind. Unpack it first."


class ChatText:
    """The text of a chat file, read from front to back.

    head: its beginning, up to HEAD_CHARS; `read` gives it again.  bad_characters: some could not be decoded.
    """

    def __init__(self, file: IO[bytes] | gzip.GzipFile, raw: BinaryIO, size: int) -> None:
        self._file = file
        self._raw = raw
        self._size = max(size, 1)
        self._bytes = 0
        self.bad_characters = False
        start = self._bytes_of(4096)
        self.encoding, mark = _encoding_of(start)
        refuse_binary(start[mark:], self.encoding)
        self._decode = codecs.getincrementaldecoder(self.encoding)(errors="replace").decode
        self._ended = not start
        text = [self._text_of(start[mark:])]
        while not self._ended and sum(map(len, text)) < HEAD_CHARS:
            text.append(self._more(CHUNK_BYTES))
        self.head = "".join(text)
        self._head_given = False

    @property
    def done(self) -> float:
        """The part of the file that has been read, 0.0-1.0."""
        return 1.0 if self._raw.closed else min(self._raw.tell() / self._size, 1.0)

    def read(self, bytes_: int = CHUNK_BYTES) -> str:
        """The next piece, of about so many bytes; empty at the end. Raises ChatUnavailable past MOST_BYTES."""
        if not self._head_given:
            self._head_given = True
            return self.head
        text = ""
        while not text and not self._ended:
            text = self._more(bytes_)
        return text

    def lines(self, longest: int) -> Iterator[str]:
        """Line by line without the ends; of longer ones the first `longest` characters."""
        rest = ""
        # Excel's "CSV (Macintosh)" still ends lines as in 1984.
        end = "\r" if "\r" in self.head and "\n" not in self.head else "\n"
        while piece := self.read():
            *whole, rest = (rest + piece).split(end)
            for line in whole:
                yield line[:longest].rstrip("\r")
            rest = rest[: longest + 1]
        if rest:
            yield rest[:longest].rstrip("\r")

    def _more(self, bytes_: int) -> str:
        data = self._bytes_of(bytes_)
        self._ended = not data
        return self._text_of(data)

    def _text_of(self, data: bytes) -> str:
        text = self._decode(data, final=not data)
        if not self.bad_characters and "\ufffd" in text:
            self.bad_characters = self.encoding != "utf-8" or "\ufffd".encode() not in data
        return text

    def _bytes_of(self, wanted: int) -> bytes:
        data = self._file.read(wanted)
        self._bytes += len(data)
        if self._bytes > MOST_BYTES:
            raise ChatUnavailable(f"The chat file is larger than {MOST_BYTES / 1024**3:g} GiB unpacked.")
        return data


@contextmanager
def opened(path: Path) -> Iterator[ChatText]:
    """The text of the chat file at `path`; gzip, and zip with one file in it, are unpacked as it is read.

    Raises ChatUnavailable, also while it is read, when the packing is damaged or the file is no text.
    """
    try:
        with ExitStack() as stack:
            raw = stack.enter_context(path.open("rb"))
            file: IO[bytes] | gzip.GzipFile = _member(raw, stack) if _begins_with(raw, ZIP_MAGIC) else raw
            if _begins_with(file, GZIP_MAGIC):
                file = stack.enter_context(gzip.GzipFile(fileobj=file))
            yield ChatText(file, raw, path.stat().st_size)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ChatUnavailable("The chat file's packing is damaged or breaks off. Download or pack it again.") from error
    except zipfile.BadZipFile as error:
        raise ChatUnavailable(BAD_ZIP) from error
    except OSError as error:
        raise (shortage(error) or ChatUnavailable("The chat file can't be read.")) from error


def _begins_with(file: IO[bytes] | gzip.GzipFile, magic: bytes) -> bool:
    found = file.read(len(magic)) == magic
    file.seek(0)
    return found


def _member(file: IO[bytes], stack: ExitStack) -> IO[bytes]:
    """The one file in a zip."""
    _check_directory(file)
    try:
        archive = stack.enter_context(zipfile.ZipFile(file))
    except (ValueError, struct.error, NotImplementedError) as error:
        raise ChatUnavailable(BAD_ZIP) from error
    if any(one.filename == "[Content_Types].xml" for one in archive.infolist()):
        raise unreadable("a document of Office", "Save the table as CSV")
    members = [one for one in archive.infolist() if not one.is_dir() and not _is_litter(one.filename)]
    if len(members) != 1:
        raise ChatUnavailable(f"The zip holds {len(members)} files. Send the chat file alone, or a zip with only it.")
    # The other methods are not unpacked in bounded pieces.
    if members[0].flag_bits & ENCRYPTED or members[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ChatUnavailable(BAD_ZIP)
    return stack.enter_context(archive.open(members[0]))


def _check_directory(file: IO[bytes]) -> None:
    """Refuse a zip whose directory, which the library reads whole, is more than that of a file or a few."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _LONGEST_ZIP_COMMENT - _END_OF_DIRECTORY.size))
    tail = file.read()
    file.seek(0)
    at = tail.rfind(_END_MAGIC)
    if at < 0 or len(tail) - at < _END_OF_DIRECTORY.size:
        raise zipfile.BadZipFile
    members, directory_bytes = _END_OF_DIRECTORY.unpack_from(tail, at)[4:6]
    if (
        members > MOST_MEMBERS
        or directory_bytes > LARGEST_DIRECTORY_BYTES
        or _ZIP64_MAGIC in tail[max(0, at - 20) : at]
    ):
        raise ChatUnavailable(
            "The zip holds far more than a chat file. Send the chat file alone, or a zip with only it."
        )


def _is_litter(name: str) -> bool:
    """What macOS adds by itself."""
    return name.startswith("__MACOSX/") or name.rpartition("/")[2] in (".DS_Store", "Thumbs.db")


def _encoding_of(start: bytes) -> tuple[str, int]:
    """The encoding, and the length of the mark in front. Without a mark, zeros between the letters tell."""
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return encoding, len(mark)
    sample = start[: len(start) // 4 * 4][:1024]
    zeros = [sample[place::4].count(0) * 4 / max(len(sample), 1) for place in range(4)]
    for encoding, pattern in (
        ("utf-32-le", "0111"),
        ("utf-32-be", "1110"),
        ("utf-16-le", "0101"),
        ("utf-16-be", "1010"),
    ):
        if all((share > 0.5) == (wanted == "1") for share, wanted in zip(zeros, pattern, strict=True)):
            return encoding, 0
    return "utf-8", 0
