"""Flat JSON records with a time and a text under plain names, such as the lines of our own `chat.jsonl`."""

from itertools import islice

from workers.chatlog import Emote
from workers.download.chat_forms.clean import MOST_BITS, comment, dicts, emote, is_too_long, name
from workers.download.chat_forms.clean import number as number_of
from workers.download.chat_forms.columns import columns_of
from workers.download.chat_forms.entry import Entry
from workers.download.chat_forms.times import moment, number_moment
from workers.download.json_members import child

NAME = "JSON with a time and a text for each comment"
MOST_FIELDS = 100
LONGEST_KEY = 64


def matches(record: dict[str, object]) -> bool:
    """Whether the record has flat members with a time and a text."""
    names = _names(record)
    found = columns_of(names)
    return found is not None and isinstance(record[names[found.text]], str)


def entry(record: dict[str, object], number: int) -> Entry | None:
    """The comment in a record, None when it is none. `number`: stands in for a missing id."""
    names = _names(record)
    columns = columns_of(names)
    if columns is None or not isinstance(text := record[names[columns.text]], str):
        return None
    time = record[names[columns.time]]
    at = moment(time, unit_s=columns.unit_s) if isinstance(time, str) else None
    if at is None:
        seconds = number_of(time)
        if seconds is None:
            return None
        at = number_moment(seconds, unit_s=columns.unit_s)
    made = comment(
        name(record[names[columns.id]]) if columns.id is not None else None,
        at.seconds,
        name(record[names[columns.user]]) if columns.user is not None else _nested_user(record),
        text,
        fallback_id=f"n{number}",
        emotes=tuple(found for one in dicts(record.get("emotes")) if (found := _emote(one))),
        badges=tuple(badge for badge in _list(record.get("badges")) if isinstance(badge, str)),
        bits=_bits(record.get("bits")),
    )
    return Entry(made, at.clock, cut=is_too_long(text))


def _nested_user(record: dict[str, object]) -> str | None:
    """Of whom other sites (Kick, Discord) tell more than the name."""
    people = (record.get(key) for key in ("sender", "author", "user", "commenter"))
    names = (name(child(person, key)) for person in people for key in ("username", "login", "name"))
    return next((found for found in names if found), None)


def _names(record: dict[str, object]) -> tuple[str, ...]:
    """Of the fields with one plain value. Long ones are nobody's, and would only fill the cache."""
    fields = islice(record.items(), MOST_FIELDS)
    return tuple(key for key, value in fields if isinstance(value, str | int | float) and len(key) <= LONGEST_KEY)


def _emote(found: dict[str, object]) -> Emote | None:
    return emote(found.get("id"), name(found.get("name")) or "")


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _bits(value: object) -> int:
    return min(value, MOST_BITS) if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
