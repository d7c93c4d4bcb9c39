"""JSON read value by value from a stream of text, in bounded memory whatever it holds."""

import json
import re
from collections.abc import Iterator

from shared.errors import ChatUnavailable
from workers.download.chat_forms.packing import CHUNK_BYTES, ChatText

LARGEST_VALUE_CHARS = 8 * 1024**2  # one comment
BROKEN = "The chat file is not valid JSON, or breaks off. Download it again."
TOO_DEEP = "The chat file is nested too deeply."

_SPACE = re.compile(r"[ \t\n\r]*")
_COMMA = re.compile(r"[ \t\n\r]*,[ \t\n\r]*")
_STRUCTURE = re.compile(r'["\[\]{}]')
_REST_OF_STRING = re.compile(r'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
_PRIMITIVE = re.compile(r"[^\s,\]}\[{\"]*")


def parse_int(digits: str) -> int | float:
    return int(digits) if len(digits) < 19 else float(digits)


DECODER = json.JSONDecoder(parse_int=parse_int)


class JsonReader:
    """A window of text over the file; values are decoded from its start and dropped."""

    def __init__(self, chat: ChatText) -> None:
        self._chat = chat
        self._text = ""
        self._at = 0
        self._ended = False
        self._decode = DECODER.raw_decode

    def peek(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            space = _SPACE.match(self._text, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._fill():
                return ""

    def expect(self, char: str) -> None:
        if self.peek() != char:
            raise ChatUnavailable(BROKEN)
        self._at += 1

    def elements(self) -> Iterator[object]:
        """Every value of the array that comes next."""
        self.expect("[")
        if self.peek() == "]":
            self._at += 1
            return
        while True:
            yield self.value()
            # Nearly always the comma and the next value's beginning are in the window.
            comma = _COMMA.match(self._text, self._at)
            if comma and comma.end() < len(self._text):
                self._at = comma.end()
                continue
            if self.peek() == "]":
                self._at += 1
                return
            self.expect(",")
            self.peek()

    def keys(self) -> Iterator[str]:
        """Every key of the object that comes next; its value has to be read or skipped before the next key."""
        self.expect("{")
        if self.peek() == "}":
            self._at += 1
            return
        while True:
            key = self.value() if self.peek() == '"' else None
            if not isinstance(key, str):
                raise ChatUnavailable(BROKEN)
            self.expect(":")
            self.peek()
            yield key
            if self.peek() == "}":
                self._at += 1
                return
            self.expect(",")

    def value(self) -> object:
        """The value that begins where `peek` stopped.

        Raises ChatUnavailable when it is broken or larger than LARGEST_VALUE_CHARS.
        """
        while True:
            try:
                value, end = self._decode(self._text, self._at)
            except RecursionError as error:
                raise ChatUnavailable(TOO_DEEP) from error
            except ValueError as error:
                # Broken, or only not read to its end yet.
                if len(self._text) - self._at > LARGEST_VALUE_CHARS or not self._fill():
                    raise ChatUnavailable(BROKEN) from error
                continue
            # A number may go on in the next chunk.
            if end == len(self._text) and self._fill():
                continue
            self._at = end
            return value

    def skip(self) -> None:
        """Pass over the next value, however large or deep it is."""
        depth = 0
        while True:
            char = self.peek()
            if char == '"':
                self._at += 1
                self._skip_string()
            elif char in ("[", "{"):
                self._at += 1
                depth += 1
            elif char in ("]", "}") and depth:
                self._at += 1
                depth -= 1
            elif not char or not depth:
                self._skip_primitive()
            if not depth:
                return
            self._to_structure()

    def _to_structure(self) -> None:
        """On to the next character that opens or closes something."""
        while (found := _STRUCTURE.search(self._text, self._at)) is None:
            self._at = len(self._text)
            if not self._fill():
                raise ChatUnavailable(BROKEN)
        self._at = found.start()

    def _skip_string(self) -> None:
        while True:
            rest = _REST_OF_STRING.match(self._text, self._at)
            self._at = rest.end() if rest else self._at
            if self._text[self._at : self._at + 1] == '"':
                self._at += 1
                return
            if not self._fill():
                raise ChatUnavailable(BROKEN)

    def _skip_primitive(self) -> None:
        begun = False
        while True:
            rest = _PRIMITIVE.match(self._text, self._at)
            end = rest.end() if rest else self._at
            begun = begun or end > self._at
            self._at = end
            if self._at < len(self._text) or not self._fill():
                break
        if not begun:
            raise ChatUnavailable(BROKEN)

    def _fill(self) -> bool:
        """Read on; False at the end of the file."""
        if self._ended:
            return False
        # Doubling keeps the work for one large value linear.
        piece = self._chat.read(max(CHUNK_BYTES, len(self._text) - self._at))
        self._ended = not piece
        self._text = self._text[self._at :] + piece
        self._at = 0
        return not self._ended
