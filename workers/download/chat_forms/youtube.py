"""YouTube's live chat as yt-dlp writes it: JSON lines of replay actions."""

from collections.abc import Iterator

from workers.chatlog import Emote
from workers.download.chat_forms.clean import comment, dicts, emote, is_too_long, name
from workers.download.chat_forms.clean import number as number_of
from workers.download.chat_forms.entry import Entry
from workers.download.json_members import child

NAME = "yt-dlp's YouTube live chat"
# Stickers, tickers and announcements have no text that somebody wrote.
_WRITTEN = ("liveChatTextMessageRenderer", "liveChatPaidMessageRenderer", "liveChatMembershipItemRenderer")
_ICONS = {"MODERATOR": "moderator", "OWNER": "owner", "VERIFIED": "verified"}


def matches(record: dict[str, object]) -> bool:
    """Whether the record is one action of YouTube's live chat replay."""
    return "replayChatItemAction" in record and not is_several(record)


def is_several(record: dict[str, object]) -> bool:
    """Whether a record has several actions, which `parts` takes apart."""
    actions = child(record, "replayChatItemAction", "actions")
    return isinstance(actions, list) and len(actions) > 1


def parts(record: dict[str, object]) -> Iterator[dict[str, object]]:
    """A record for each of the actions that belong to one moment."""
    replay = record.get("replayChatItemAction")
    actions = dicts(child(replay, "actions"))
    offset = child(replay, "videoOffsetTimeMsec") or record.get("videoOffsetTimeMsec")
    for action in actions:
        yield {"replayChatItemAction": {"actions": [action], "videoOffsetTimeMsec": offset}}


def entry(record: dict[str, object], number: int) -> Entry | None:
    """The message of an action, None when nobody wrote one. `number`: stands in for a missing id."""
    replay = record.get("replayChatItemAction")
    offset_ms = number_of(child(replay, "videoOffsetTimeMsec") or record.get("videoOffsetTimeMsec"))
    actions = dicts(child(replay, "actions"))
    item = child(actions[0], "addChatItemAction", "item") if actions else None
    written = next((found for kind in _WRITTEN if isinstance(found := child(item, kind), dict)), None)
    if offset_ms is None or written is None:
        return None
    runs = dicts(child(written, "message", "runs"))
    simple = child(written, "message", "simpleText")
    text = simple if isinstance(simple, str) else "".join(_text(run) for run in runs)
    if not text:
        return None
    made = comment(
        name(written.get("id")),
        offset_ms / 1000,
        name(child(written, "authorName", "simpleText")) or name(written.get("authorExternalChannelId")),
        text,
        fallback_id=f"n{number}",
        emotes=tuple(found for run in runs if (found := _emote(run))),
        badges=tuple(_badges(written)),
    )
    return Entry(made, cut=is_too_long(text))


def _text(run: dict[str, object]) -> str:
    """Emoji of Unicode are their own id; a channel's have a name such as `:_wave:`."""
    text = run.get("text")
    if isinstance(text, str):
        return text
    return (
        _shortcut(run) if child(run, "emoji", "isCustomEmoji") is True else name(child(run, "emoji", "emojiId")) or ""
    )


def _shortcut(run: dict[str, object]) -> str:
    shortcuts = child(run, "emoji", "shortcuts")
    return name(shortcuts[0]) or "" if isinstance(shortcuts, list) and shortcuts else ""


def _emote(run: dict[str, object]) -> Emote | None:
    if child(run, "emoji", "isCustomEmoji") is not True:
        return None
    return emote(child(run, "emoji", "emojiId"), _shortcut(run))


def _badges(written: dict[str, object]) -> Iterator[str]:
    for badge in dicts(written.get("authorBadges")):
        icon = child(badge, "liveChatAuthorBadgeRenderer", "icon", "iconType")
        if isinstance(icon, str):
            yield _ICONS.get(icon, name(icon.lower()) or "")
        elif child(badge, "liveChatAuthorBadgeRenderer", "customThumbnail"):
            yield "member"
