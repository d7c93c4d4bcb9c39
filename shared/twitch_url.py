"""The forms in which people paste a Twitch VOD, reduced to its number; the rest is refused by what it is."""

import re
from urllib.parse import parse_qsl

from shared.errors import InvalidTwitchUrl, UnsupportedSource

MAX_TWITCH_URL_LENGTH = 2048
EXAMPLE = "https://www.twitch.tv/videos/123456789"

# Twitch numbers its VODs; the newest have ten digits.
_NUMBER = r"[1-9][0-9]{0,15}"
_BARE = re.compile(rf"[vV]?({_NUMBER})")
_PATH = re.compile(rf"/(?:[A-Za-z0-9_]{{1,25}}/)?(?:videos?|v)/v?({_NUMBER})/?", re.IGNORECASE)
# The authority has to be one of Twitch's names and nothing else: no user, no port, no dot behind.
_LINK = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?P<host>[A-Za-z0-9.-]+)(?P<path>/[A-Za-z0-9_./-]*)?(?:\?(?P<query>[^\s#\x00-\x20\x7f]*))?"
    r"(?:#[^\s\x00-\x20\x7f]*)?"
)
# Chats, mails and sentences put a link between signs or have one behind it.
_OPENING, _CLOSING = "<([{\"'`\u201c\u2018\u00ab\u201e", ">)]}\"'`\u201d\u2019\u00bb\u201c.,;:!"
_TWITCH_HOST = re.compile(r"(?:[a-z0-9-]+\.)*twitch\.tv")
_VOD_HOSTS = {"twitch.tv", "www.twitch.tv", "m.twitch.tv", "go.twitch.tv", "player.twitch.tv"}
_CLIP_HOSTS = {"clips.twitch.tv", "m.clips.twitch.tv"}
_VOD_PARAMETERS = {"video", "vodid"}
_MOST_PARAMETERS = 100
_CHANNEL = re.compile(r"[A-Za-z0-9_]{1,25}")
_CHANNEL_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{2,24}")
_CHANNEL_PAGES = {"about", "chat", "home", "schedule", "squad", "videos", "clips", "collections", "followers"}
_SITE_PAGES = {
    *("directory", "downloads", "drops", "following", "friends", "inventory", "jobs", "login", "messages", "p"),
    *("prime", "search", "settings", "signup", "store", "subscriptions", "team", "turbo", "video", "videos", "wallet"),
}

CLIP = f"This is a Twitch clip, which is cut already. Send the link of the VOD it comes from, such as {EXAMPLE}."
COLLECTION = f"This is a Twitch collection. Open it and send the link of one of its videos, such as {EXAMPLE}."
PAGE = f"This is a page of Twitch, not a VOD. Send the link of a VOD, such as {EXAMPLE}."


def is_twitch_site(host: str) -> bool:
    """Whether `host` is, or claims to be, one of Twitch's."""
    return _TWITCH_HOST.fullmatch(host.lower().rstrip(".")) is not None


def parse_twitch_url(text: str) -> str:
    """The number of the VOD that `text` names; nothing else of what was typed is ever used.

    Raises UnsupportedSource for other sites and other schemes, InvalidTwitchUrl for what is not a VOD's address.
    """
    if len(text) > MAX_TWITCH_URL_LENGTH:
        raise InvalidTwitchUrl
    text = text.lstrip(_OPENING).rstrip(_CLOSING)
    if match := _BARE.fullmatch(text):
        return match[1]
    if _CHANNEL_NAME.fullmatch(text):
        raise InvalidTwitchUrl(_channel(text))
    link = _LINK.fullmatch(text)
    if link is None:
        raise InvalidTwitchUrl
    host, scheme = link["host"].lower(), (link["scheme"] or "https").lower()
    if not is_twitch_site(host):
        if "." in host:
            raise UnsupportedSource(f"{host} is not Twitch. Only links of Twitch VODs are understood without https://.")
        raise InvalidTwitchUrl
    if scheme not in ("http", "https"):
        raise UnsupportedSource("Only https:// links are accepted.")
    return _number_of(host, link["path"] or "/", link["query"] or "")


def _number_of(host: str, path: str, query: str) -> str:
    """The number in a link to one of Twitch's hosts. Raises InvalidTwitchUrl with a word on what it is instead."""
    try:
        asked = {name.lower(): value for name, value in parse_qsl(query, max_num_fields=_MOST_PARAMETERS)}
    except ValueError as error:
        raise InvalidTwitchUrl from error
    if host in _VOD_HOSTS:
        if match := _PATH.fullmatch(path):
            return match[1]
        kind = _kind(path, asked)
        named = [_BARE.fullmatch(value) for name, value in asked.items() if name in _VOD_PARAMETERS]
        if kind not in (CLIP, COLLECTION) and len(named) == 1 and named[0] and _may_have_parameter(path):
            return named[0][1]
        raise InvalidTwitchUrl(kind)
    raise InvalidTwitchUrl(CLIP if host in _CLIP_HOSTS else PAGE)


def _may_have_parameter(path: str) -> bool:
    """Pages that show a video named behind the question mark: the player's, a channel's and its schedule."""
    parts = path.strip("/").split("/")
    return all(part == "" or _CHANNEL.fullmatch(part) for part in parts) and len(parts) <= 2 and "//" not in path


def _kind(path: str, asked: dict[str, str]) -> str:
    """A sentence on what a link that names no VOD leads to."""
    parts = [part for part in path.split("/") if part]
    if "clip" in parts[:2] or "clip" in asked:
        return CLIP
    if parts[:1] == ["collections"] or "collection" in asked:
        return COLLECTION
    if not parts and _CHANNEL_NAME.fullmatch(asked.get("channel", "")):
        return _channel(asked["channel"])
    if len(parts) >= 2 and parts[0] in ("popout", "moderator", "embed") and _CHANNEL.fullmatch(parts[1]):
        return _channel(parts[1])
    is_channel = 1 <= len(parts) <= 2 and _CHANNEL.fullmatch(parts[0]) and parts[0].lower() not in _SITE_PAGES
    if is_channel and (len(parts) == 1 or parts[1].lower() in _CHANNEL_PAGES):
        return _channel(parts[0])
    return PAGE


def _channel(name: str) -> str:
    return f"This is the channel {name}, not a recording. Open its videos and send the link of one, such as {EXAMPLE}."
