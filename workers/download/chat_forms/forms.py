"""Which form a chat file has."""

import json
from collections.abc import Iterator

from shared.errors import ChatUnavailable
from workers.download.chat_forms import json_chat, log_lines, table
from workers.download.chat_forms.entry import Entry, Facts
from workers.download.chat_forms.magic import FORMS, refuse_text, unreadable
from workers.download.chat_forms.packing import ChatText

SAMPLE_CHARS = 128 * 1024
_TIMELESS = (
    "The chat file is text without times, so its comments have no place in the recording. "
    "Download it with timestamps: in TwitchDownloader choose JSON, or text with relative times."
)


def read_entries(chat: ChatText, facts: Facts) -> Iterator[Entry | None]:
    """Every comment of the file, None for each record that is none; `facts` is filled on the way.

    Raises ChatUnavailable, naming what the file looks like, when it can't be read.
    """
    start = chat.head.lstrip()
    if not start:
        raise ChatUnavailable("The chat file is empty.")
    if start[0] == "{" or (start[0] == "[" and start[1:].lstrip()[:1] in ("{", "]", "[", "n")):
        yield from json_chat.entries(chat, facts)
        return
    if start[0] == "[" and _is_json(start.partition("\n")[0]):
        raise unreadable("JSON of a form that is not known", FORMS)
    refuse_text(start)
    lines = chat.head[:SAMPLE_CHARS].splitlines()
    if log_lines.matches(lines):
        yield from log_lines.entries(chat, facts)
    elif layout := table.layout_of(lines):
        yield from table.entries(chat, layout, facts)
    else:
        raise _unknown(lines)


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _unknown(lines: list[str]) -> ChatUnavailable:
    """Text that is neither a log nor a table with times."""
    filled = [line for line in lines if line.strip()]
    said = sum(": " in line[:100] for line in filled)
    if filled and said >= len(filled) / 2:
        return ChatUnavailable(_TIMELESS)
    if any(delimiter in filled[0] for delimiter in ",;\t"):
        return ChatUnavailable("The chat file looks like a table, but no column is named like a time or like a text. "
                               "Name them time and message.")  # fmt: skip
    return unreadable("plain text", FORMS)
