"""What a user may name as a source, reduced to an id or a checked address. Pure text: no DNS, no requests."""

import re
from collections.abc import Collection
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from shared.errors import UnsupportedSource
from shared.twitch_url import is_twitch_site, parse_twitch_url

MAX_URL_LENGTH = 2048
MAX_FILE_NAME_LENGTH = 255
# What comes along when a link is copied from a page or a chat.
_AROUND = " \t\r\n\v\f\u00a0\u200b\u200e\u200f\u2060\ufeff"

_HOST_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*")
_PRINTABLE_ASCII = re.compile(r"[!-~]+")


class SourceRef(NamedTuple):
    """kind: where the recording is.  ref: a Twitch video's number, a name below LOCAL_MEDIA_DIR, or an address."""

    kind: Literal["twitch", "local", "direct"]
    ref: str


def classify_url(
    text: str,
    *,
    media_hosts: Collection[str],
    local_allowed: bool,
    private_hosts: Collection[str] = (),
) -> SourceRef:
    """Which source `text` names; white space around a link counts for nothing.

    media_hosts: MEDIA_HOSTS, matched exactly; an entry with a port allows that port only, one without allows 443.
    private_hosts: ALLOW_PRIVATE_HOSTS (`host:port`); for those plain http is accepted as well.
    Raises InvalidTwitchUrl or UnsupportedSource.
    """
    if text.startswith("file:"):
        return _local(text, allowed=local_allowed)
    link = without_space(text)
    if _is_plain(link) and _names_another_site(link):
        _check_direct(link, media_hosts, private_hosts)
        return SourceRef("direct", link)
    return SourceRef("twitch", parse_twitch_url(link))


def without_space(text: str) -> str:
    """`text` as it was meant; the name of a file stays as it is."""
    return text if text.startswith("file:") else text.strip(_AROUND)


def _is_plain(text: str) -> bool:
    """Printable ASCII without spaces or backslashes: what remains can't be read in two ways by two parsers."""
    return len(text) <= MAX_URL_LENGTH and _PRINTABLE_ASCII.fullmatch(text) is not None and "\\" not in text


def _names_another_site(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    host = parts.hostname or ""
    return bool(parts.scheme and host) and not is_twitch_site(host)


def _local(text: str, *, allowed: bool) -> SourceRef:
    name = text.removeprefix("file:")
    if not allowed:
        raise UnsupportedSource("Local files are not allowed on this server.")
    parts = name.split("/")
    if (
        not 0 < len(name) <= MAX_FILE_NAME_LENGTH
        or not name.isprintable()
        or "\\" in name
        or any(part in ("", ".", "..") for part in parts)
    ):
        raise UnsupportedSource("A local file is named by its path below the media folder, such as file:stream.mp4.")
    return SourceRef("local", name)


def _check_direct(text: str, media_hosts: Collection[str], private_hosts: Collection[str]) -> None:
    host, port, scheme = split_address(text)
    authority = f"{host}:{port}"
    named = {entry.lower() for entry in media_hosts}
    if host not in named and authority not in named:
        raise UnsupportedSource(
            f"{host} is neither Twitch nor one of this server's MEDIA_HOSTS. "
            "Download the recording, put it into the media folder and send file:NAME."
        )
    if scheme == "http" and authority not in private_hosts:
        raise UnsupportedSource("Only https:// links are accepted.")
    if authority not in named and (port != 443 or scheme != "https"):
        raise UnsupportedSource(f"MEDIA_HOSTS does not allow this port of {host}.")


def split_address(url: str) -> tuple[str, int, str]:
    """(host, port, scheme) of an http or https address. Raises UnsupportedSource on anything odd in it.

    Refused: user info, ports that are no number, hosts outside a-z 0-9 - . (so IPv6, IDN and escapes too), empty hosts,
    spaces, control characters, backslashes and over-long text.
    """
    if not _is_plain(url):
        raise UnsupportedSource("This is not a plain web address.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UnsupportedSource("This is not a plain web address.") from error
    host = (parts.hostname or "").lower()
    authority = parts.netloc.lower()
    if parts.scheme not in ("http", "https"):
        raise UnsupportedSource("Only https:// links are accepted.")
    if authority not in (host, f"{host}:{port}") or _HOST_NAME.fullmatch(host) is None:
        raise UnsupportedSource("The host of this address is not a plain name.")
    return host, port or (443 if parts.scheme == "https" else 80), parts.scheme
