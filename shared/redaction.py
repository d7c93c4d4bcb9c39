"""Addresses as they may be shown: what gives access is taken out."""

import re
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

HIDDEN = "***"
# Receivers such as chat services put the secret into the path; names of paths are shorter, or words.
_LIKE_A_SECRET = re.compile(r"(?=.*\d)[A-Za-z0-9_.~=%-]{16,}|[A-Za-z0-9_.~=%-]{32,}")


def without_secrets(url: str) -> str:
    """The address without user info, values of its query, fragment, and parts of its path that look like secrets."""
    parts = urlsplit(url)
    path = "/".join(HIDDEN if _LIKE_A_SECRET.fullmatch(part) else part for part in parts.path.split("/"))
    return SplitResult(parts.scheme, _host_of(parts), path, _names_of(parts.query), "").geturl()


def _host_of(parts: SplitResult) -> str:
    user, at, host = parts.netloc.rpartition("@")
    return f"{HIDDEN}{at}{host}" if user else host


def _names_of(query: str) -> str:
    """The query's names; one without a value may be a secret itself."""
    pairs = parse_qsl(query, keep_blank_values=True)
    return "&".join(f"{quote(name)}={HIDDEN}" if value else HIDDEN for name, value in pairs)
