"""Values of chat files made safe: short, writable as UTF-8, of the right type. Everything in the files is hostile."""

import math

from workers.chatlog import Comment, Emote

LONGEST_TEXT_BYTES = 4096
LONGEST_NAME_BYTES = 128
MOST_EMOTES = 500  # in one comment
MOST_BADGES = 20
MOST_BITS = 10_000_000


def short(text: str, limit_bytes: int) -> str:
    """`text` in at most `limit_bytes` of UTF-8; half characters, which JSON can hold, become question marks."""
    if text.isascii() and len(text) <= limit_bytes:
        return text
    return text[:limit_bytes].encode("utf-8", "replace")[:limit_bytes].decode("utf-8", "ignore")


def is_too_long(text: str) -> bool:
    """Whether `short` takes something away from a comment's text."""
    return len(text) * 4 > LONGEST_TEXT_BYTES and len(text.encode("utf-8", "replace")) > LONGEST_TEXT_BYTES


def name(value: object) -> str | None:
    """A short text; numbers count, as ids come in both forms."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return short(value, LONGEST_NAME_BYTES) or None if isinstance(value, str) else None


def number(value: object) -> float | None:
    """A finite number, also one that is written as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def dicts(value: object) -> list[dict[str, object]]:
    """The objects of a JSON array; none when it is no array."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def comment(
    id_: str | None,
    at_s: float,
    user: str | None,
    text: str,
    *,
    fallback_id: str,
    emotes: tuple[Emote, ...] = (),
    badges: tuple[str, ...] = (),
    bits: int = 0,
) -> Comment:
    return Comment(
        id_ or fallback_id,
        at_s,
        user,
        short(text, LONGEST_TEXT_BYTES),
        emotes[:MOST_EMOTES],
        badges[:MOST_BADGES],
        bits,
    )


def emote(id_: object, text: str) -> Emote | None:
    """The emote `id_` as written in a comment, None without an id."""
    known = name(id_)
    return Emote(known, short(text.strip(), LONGEST_NAME_BYTES)) if known else None
