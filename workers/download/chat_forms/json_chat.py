"""Where the comments are in a JSON chat file: a list, an object with one, pages of Twitch's API, or lines."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from shared.errors import ChatUnavailable
from workers.download.chat_forms import chat_downloader, flat, graphql, twitch_downloader, youtube
from workers.download.chat_forms.clean import name, number
from workers.download.chat_forms.entry import Entry, Facts
from workers.download.chat_forms.json_reader import BROKEN, DECODER, LARGEST_VALUE_CHARS, JsonReader
from workers.download.chat_forms.magic import FORMS
from workers.download.chat_forms.packing import ChatText
from workers.download.json_members import child

DEEPEST_LIST = 6  # objects around the list of comments
MOST_KEYS = 1000  # of one object on the way
_LISTS = {"comments", "edges", "messages", "chat", "chats", "data", "items", "records"}
_WAYS = {"data", "video", "comments", "chat", "result"}
_VIDEO_FACTS = ("start", "end", "length", "id")


class Form(NamedTuple):
    name: str
    matches: Callable[[dict[str, object]], bool]
    entry: Callable[[dict[str, object], int], Entry | None]


_FORMS = (
    Form(twitch_downloader.NAME, twitch_downloader.matches, twitch_downloader.entry),
    Form(graphql.NAME, graphql.matches, graphql.entry),
    Form(youtube.NAME, youtube.matches, youtube.entry),
    Form(chat_downloader.NAME, chat_downloader.matches, chat_downloader.entry),
    Form(flat.NAME, flat.matches, flat.entry),
)


def entries(chat: ChatText, facts: Facts) -> Iterator[Entry | None]:
    """Every comment; None for each record that is none. Fills `facts` on the way.

    Raises ChatUnavailable when there is no list of comments or the file is broken before its comments end.
    """
    records = _line_records(chat, facts) if _is_lines(chat.head) else _document_records(chat, facts)
    form: Form | None = None
    number = 0
    for record in records:
        if form is not None and type(record) is dict and form.matches(record):
            yield form.entry(record, number)
            number += 1
            continue
        for part in _expanded(record):
            form = _form_of(part) or form
            yield form.entry(part, number) if form is not None and isinstance(part, dict) else None
            number += 1
        facts.form = facts.form or (form.name if form else "")
    if form is None and number:
        raise ChatUnavailable(f"The chat file is JSON of a form that is not known. {FORMS}.")


def _form_of(record: object) -> Form | None:
    return next((one for one in _FORMS if one.matches(record)), None) if isinstance(record, dict) else None


# --- lines ------------------------------------------------------------------------------------------------------------


def _is_lines(head: str) -> bool:
    """Whether the first line is a value of its own: a record, or a page with records in it before another one."""
    start = head.lstrip()
    line, end, rest = start.partition("\n")
    record = _line(line)
    if not isinstance(record, dict):
        return False
    if any(form.matches(record) for form in _FORMS):
        return True
    return bool(end) and rest.lstrip()[:1] == "{"


def _line_records(chat: ChatText, facts: Facts) -> Iterator[object]:
    """The records of each line; a line that is broken counts as one that is no comment."""
    record: object = None
    for line in chat.lines(LARGEST_VALUE_CHARS):
        if line and not line.isspace():
            record = _line(line)
            yield record
    facts.breaks_off = record is None


def _line(line: str) -> object:
    """What stands in a line, None when it is broken."""
    try:
        return DECODER.decode(line)
    except (ValueError, RecursionError):
        return None


# --- documents --------------------------------------------------------------------------------------------------------


def _document_records(chat: ChatText, facts: Facts) -> Iterator[object]:
    reader = JsonReader(chat)
    walk = _Walk(reader, facts)
    if reader.peek() == "[":
        yield from reader.elements()
        return
    while reader.peek() == "{":
        try:
            yield from walk.object_records("", 0)
        except ChatUnavailable:
            # Behind the comments stand the images; where they break off nothing is missing.
            if not walk.found or walk.inside:
                raise
            facts.breaks_off = True
            return
    if not walk.found:
        raise _no_list(walk.keys)


def _no_list(keys: set[str]) -> ChatUnavailable:
    if not keys:
        return ChatUnavailable(BROKEN)
    if keys & {"extractor", "formats", "webpage_url"}:
        return ChatUnavailable(
            "The file looks like yt-dlp's info JSON: it describes the video, its chat is another file."
        )
    return ChatUnavailable(f"The file is JSON, but no chat: it has no list of comments. {FORMS}.")


class _Walk:
    """On the way through an object to its list of comments. inside: a list has begun and not ended."""

    def __init__(self, reader: JsonReader, facts: Facts) -> None:
        self.found = False
        self.inside = False
        self.keys: set[str] = set()
        self._reader = reader
        self._facts = facts

    def object_records(self, parent: str, depth: int) -> Iterator[object]:
        """The records of the lists in the object that comes next, which is called `parent`."""
        for count, key in enumerate(self._reader.keys()):
            if count >= MOST_KEYS:
                raise ChatUnavailable(BROKEN)
            if depth == 0:
                self.keys.add(key[:100])
            following = self._reader.peek()
            if following == "[" and key in _LISTS:
                yield from self._list_records()
            elif following == "{" and key in _WAYS and depth < DEEPEST_LIST:
                yield from self.object_records(key, depth + 1)
            elif parent == "video" and key in _VIDEO_FACTS and following not in ("{", "["):
                self._note(key, self._reader.value())
            else:
                self._reader.skip()

    def _list_records(self) -> Iterator[object]:
        self.found = self.inside = True
        yield from self._reader.elements()
        self.inside = False

    def _note(self, key: str, value: object) -> None:
        if key == "id":
            self._facts.video_id = name(value)
        elif (found := number(value)) is not None:
            setattr(self._facts, f"{key}_s", found)


def _expanded(record: object) -> Iterator[object]:
    """The records in a page of an API, or the record itself."""
    if not isinstance(record, dict):
        yield record
        return
    if youtube.is_several(record):
        yield from youtube.parts(record)
        return
    page = record.get("data") if "data" in record else record
    for way in (("video", "comments", "edges"), ("comments", "edges"), ("comments",)):
        found = child(page, *way)
        if isinstance(found, list):
            yield from found
            return
    yield record
