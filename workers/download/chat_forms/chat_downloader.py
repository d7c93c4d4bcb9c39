"""Messages of chat-downloader (xenova), as a JSON list or as JSON lines; of YouTube, Twitch and others alike."""

from workers.chatlog import Emote
from workers.download.chat_forms.clean import comment, dicts, emote, is_too_long, name
from workers.download.chat_forms.clean import number as number_of
from workers.download.chat_forms.entry import Clock, Entry
from workers.download.chat_forms.times import clock_moment
from workers.download.json_members import child

NAME = "chat-downloader's JSON"
_MICROSECONDS = 1e6


def matches(record: dict[str, object]) -> bool:
    """Whether the record is a message as chat-downloader writes it."""
    is_timed = "time_in_seconds" in record or "time_text" in record or "timestamp" in record
    return is_timed and "message" in record and ("author" in record or "message_type" in record)


def entry(record: dict[str, object], number: int) -> Entry | None:
    """The message in a record, None when it has no text or no time. `number`: stands in for a missing id."""
    text, time = record.get("message"), _time(record)
    if not isinstance(text, str) or time is None:
        return None
    author = record.get("author")
    made = comment(
        name(record.get("message_id")),
        time[0],
        name(child(author, "name")) or name(child(author, "display_name")),
        text,
        fallback_id=f"n{number}",
        emotes=tuple(found for one in dicts(record.get("emotes")) if (found := _emote(one))),
        badges=tuple(badge for one in dicts(child(author, "badges")) if (badge := _badge(one))),
    )
    return Entry(made, time[1], cut=is_too_long(text))


def _time(record: dict[str, object]) -> tuple[float, Clock] | None:
    """Seconds of the recording; of chats recorded live there is only the moment, in microseconds since 1970."""
    at_s = number_of(record.get("time_in_seconds"))
    if at_s is not None:
        return at_s, Clock.RECORDING
    if isinstance(text := record.get("time_text"), str) and (found := clock_moment(text)):
        return found.seconds, Clock.RECORDING
    at_us = number_of(record.get("timestamp"))
    return None if at_us is None else (at_us / _MICROSECONDS, Clock.UTC)


def _emote(found: dict[str, object]) -> Emote | None:
    written = name(found.get("name")) or ""
    return emote(found.get("id") or written, written)


def _badge(found: dict[str, object]) -> str | None:
    return name(found.get("name")) or name(found.get("title"))
