"""Comments of TwitchDownloader's JSON, which are those of Twitch's old v5 API."""

from collections.abc import Iterator

from workers.chatlog import Emote
from workers.download.chat_forms.clean import LONGEST_NAME_BYTES, MOST_BITS, comment, dicts, is_too_long, name, short
from workers.download.chat_forms.clean import number as number_of
from workers.download.chat_forms.entry import Entry

NAME = "TwitchDownloader's JSON"


def matches(record: dict[str, object]) -> bool:
    """Whether the record is a comment as TwitchDownloader writes it."""
    return "content_offset_seconds" in record


def entry(record: dict[str, object], number: int) -> Entry | None:
    """The comment in a record, None when it is none. `number`: stands in for a missing id."""
    message = record.get("message")
    at_s = number_of(record.get("content_offset_seconds"))
    if at_s is None or not isinstance(message, dict):
        return None
    body = _body(message)
    if body is None:
        return None
    made = comment(
        name(record.get("_id")),
        at_s,
        _user(record.get("commenter")),
        body,
        fallback_id=f"n{number}",
        emotes=tuple(_emotes(message, body)),
        badges=tuple(_badges(message)),
        bits=_bits(message.get("bits_spent")),
    )
    return Entry(made, cut=is_too_long(body))


def _body(message: dict[str, object]) -> str | None:
    body = message.get("body")
    if isinstance(body, str):
        return body
    texts = [fragment.get("text") for fragment in dicts(message.get("fragments"))]
    return "".join(text for text in texts if isinstance(text, str)) if texts else None


def _user(commenter: object) -> str | None:
    if not isinstance(commenter, dict):
        return None
    return name(commenter.get("name")) or name(commenter.get("display_name"))


def _emotes(message: dict[str, object], body: str) -> Iterator[Emote]:
    fragments = dicts(message.get("fragments"))
    for fragment in fragments:
        emoticon, text = fragment.get("emoticon"), fragment.get("text")
        if isinstance(emoticon, dict) and isinstance(text, str) and (id_ := name(emoticon.get("emoticon_id"))):
            yield Emote(id_, short(text.strip(), LONGEST_NAME_BYTES))
    if fragments:
        return
    for emoticon in dicts(message.get("emoticons")):
        begin, end, id_ = emoticon.get("begin"), emoticon.get("end"), name(emoticon.get("_id"))
        if id_ and isinstance(begin, int) and isinstance(end, int) and 0 <= begin <= end < len(body):
            yield Emote(id_, short(body[begin : end + 1], LONGEST_NAME_BYTES))


def _badges(message: dict[str, object]) -> Iterator[str]:
    for badge in dicts(message.get("user_badges")):
        if known := name(badge.get("_id")):
            yield known


def _bits(value: object) -> int:
    return min(value, MOST_BITS) if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
