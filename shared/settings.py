"""Every setting, read from the environment once and checked at start. `.env` in the working folder is read too."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, overload
from urllib.parse import urlsplit

from environs import Env, EnvError

from shared.cores import usable_cores

N = TypeVar("N", int, float)
T = TypeVar("T")
Given = Mapping[str, object]  # the settings that were read before


class SettingsError(Exception):
    """A setting has a value that can't work."""


class Rate(NamedTuple):
    """At most `limit` in `seconds`; `text` as the limiter wants it."""

    limit: int
    seconds: int
    text: str


# kd1unb4b3q4t58fwlpcbzcbnm76a8fp is the public client that accepts both cursor and offset paging of the chat.
PUBLIC_TWITCH_CLIENT_ID = "kd1unb4b3q4t58fwlpcbzcbnm76a8fp"
MIN_KEY_LENGTH = 16
SECRET_FILE_BYTES = 65_536
_PERIODS_S = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
MAX_WEBHOOK_SECRETS = 2


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _rate(text: str) -> Rate:
    match = re.fullmatch(r"([1-9]\d{0,6})/(second|minute|hour|day)", text)
    if not match:
        raise ValueError("is not a rate such as 30/minute")
    return Rate(int(match[1]), _PERIODS_S[match[2]], text)


def _api_keys(text: str) -> dict[str, tuple[str, ...]]:
    """Each name with its keys; it has several while a new one takes the place of an old one."""
    found: dict[str, list[str]] = {}
    owners: dict[str, str] = {}
    for part in _split(text):
        name, _, key = (piece.strip() for piece in part.partition(":"))
        if not (name and key):
            raise ValueError("needs pairs of the form name:key, separated by commas")
        if len(key) < MIN_KEY_LENGTH or not key.isprintable():
            raise ValueError(f"has a key of {name} with fewer than {MIN_KEY_LENGTH} characters, or unprintable ones")
        if owners.setdefault(key, name) != name:
            raise ValueError("gives two names the same key")
        found.setdefault(name, []).append(key)
    return {name: tuple(keys) for name, keys in found.items()}


def _host_map(text: str) -> dict[str, str]:
    pairs = {}
    for part in _split(text):
        host, _, base = (piece.strip() for piece in part.partition("="))
        if not re.fullmatch(r"[a-z0-9.*-]+", host) or not base:
            raise ValueError("needs pairs of the form host=base-url, hosts in lower case, separated by commas")
        pairs[host] = _http_url(base)
    return pairs


def _http_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("is not an http or https URL")
    return text.rstrip("/")


def _redis_url(text: str) -> str:
    if urlsplit(text).scheme not in {"redis", "rediss", "unix"}:
        raise ValueError("is not a redis:// or rediss:// URL")
    return text


def _artifacts_url(text: str) -> str:
    if text.startswith("gs://"):
        bucket, _, prefix = text.removeprefix("gs://").partition("/")
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]", bucket) or ".." in prefix.split("/"):
            raise ValueError("is not of the form gs://bucket/prefix")
        return text.rstrip("/")
    if "://" in text:
        raise ValueError("is neither a folder nor gs://bucket/prefix")
    return str(Path(text).expanduser().resolve())


def _existing_folder(text: str) -> Path:
    path = Path(text).expanduser().resolve()
    if not path.is_dir():
        raise ValueError("is not a folder that exists")
    return path


def _webhook_secrets(text: str) -> tuple[str, ...]:
    found = tuple(part.strip() for part in text.split(","))
    if len(found) > MAX_WEBHOOK_SECRETS or len(set(found)) < len(found):
        raise ValueError("is more than one secret, or two different ones with a comma between them")
    if not all(re.fullmatch(r"whsec_[A-Za-z0-9+/]{32,88}={0,2}", one) for one in found):
        raise ValueError("is not of the form whsec_ followed by a base64 key of 24 to 64 bytes")
    return found


def _number(kind: Callable[[str], N], low: float, high: float) -> Callable[[str], N]:
    def parse(text: str) -> N:
        try:
            value = kind(text)
        except ValueError:
            raise ValueError("is not a number") from None
        if not low <= value <= high:
            raise ValueError(f"is not between {low:g} and {high:g}")
        return value

    return parse


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError("is not one of " + ", ".join(choices))
        return text

    return parse


def _path(text: str) -> Path:
    return Path(text).expanduser().resolve()


def _hosts(text: str) -> frozenset[str]:
    return frozenset(_split(text.lower()))


@overload
def _setting(parse: Callable[[str], T], *, secret: bool = False) -> T | None: ...
@overload
def _setting(parse: Callable[[str], T], default: T | Callable[[Given], T], *, secret: bool = False) -> T: ...
def _setting(parse: Callable[[str], object], default: object = None, *, secret: bool = False) -> object:
    """One variable; its name is the field's, in upper case.

    parse: its text to its value, raises ValueError with what is wrong.  default: without the variable, or what makes it
    from the settings above it.  secret: never shown, and read from the file that NAME_FILE names where that is set.
    """
    return field(repr=not secret, metadata={"parse": parse, "default": default, "secret": secret})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """See docs/operators.md for what each one means; names are the environment's, in lower case."""

    host: str = _setting(str, "127.0.0.1")
    port: int = _setting(_number(int, 0, 65535), 3000)
    data_dir: Path = _setting(_path, Path("var").resolve())
    redis_url: str | None = _setting(_redis_url, secret=True)
    artifacts_url: str = _setting(_artifacts_url, lambda given: str(Path(str(given["data_dir"]), "artifacts")))
    transcriber: str = _setting(_one_of("auto", "deepgram", "whisper"), "auto")
    deepgram_api_key: str | None = _setting(str, secret=True)
    deepgram_base_url: str | None = _setting(_http_url)
    deepgram_model: str = _setting(str, "nova-3")
    whisper_model: str | None = _setting(str)
    convex_url: str | None = _setting(_http_url)
    convex_deploy_key: str | None = _setting(str, secret=True)
    local_media_dir: Path | None = _setting(_existing_folder)
    media_hosts: frozenset[str] = _setting(_hosts, frozenset())
    twitch_client_id: str = _setting(str, PUBLIC_TWITCH_CLIENT_ID)
    twitch_host_map: dict[str, str] = _setting(_host_map, {})
    api_keys: dict[str, tuple[str, ...]] = _setting(_api_keys, {}, secret=True)
    cors_origins: tuple[str, ...] = _setting(_split, ())
    rate_limit_submit: Rate = _setting(_rate, _rate("30/minute"))
    rate_limit_read: Rate = _setting(_rate, _rate("600/minute"))
    max_video_hours: float = _setting(_number(float, 0.01, 48), 12.0)
    max_active_jobs_per_key: int = _setting(_number(int, 1, 1_000_000), 20)
    max_transcription_hours_per_day: float = _setting(_number(float, 0, 1e6), 100.0)
    # While one takes the other's place there are two: what is sent is signed with both.
    webhook_secret: tuple[str, ...] | None = _setting(_webhook_secrets, secret=True)
    public_url: str = _setting(_http_url, lambda given: f"http://{given['host']}:{given['port']}")
    allow_private_hosts: frozenset[str] = _setting(_hosts, frozenset())
    max_streams: int = _setting(_number(int, 1, 1_000_000), 20_000)
    job_retention_days: float = _setting(_number(float, 0.0001, 36500), 30.0)
    cancelled_keep_minutes: float = _setting(_number(float, 0, 525_600), 60.0)
    log_level: str = _setting(_one_of("debug", "info", "warning", "error"), "info")
    threads: int = _setting(_number(int, 1, 256), lambda _given: usable_cores())
    segments_at_once: int = _setting(_number(int, 1, 16), 16)
    chat_ranges: int = _setting(_number(int, 1, 16), 4)

    def secret_texts(self) -> tuple[str, ...]:
        """What must not be shown: keys and secrets, and the password of Redis."""
        password = urlsplit(self.redis_url or "").password
        keys = (key for keys in self.api_keys.values() for key in keys)
        found = (password, self.deepgram_api_key, self.convex_deploy_key, *(self.webhook_secret or ()), *keys)
        return tuple(text for text in found if text)


def is_loopback(host: str) -> bool:
    """Whether a server on `host` can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_settings(env: Env | None = None) -> Settings:
    """Settings from the environment; an empty value counts as unset. Raises SettingsError with one clear line."""
    env = env or _environment()
    given: dict[str, Any] = {}  # each field's value is of its own type
    for each in fields(Settings):
        given[each.name] = _read(env, each.name.upper(), given, **each.metadata)
    settings = Settings(**given)
    _check_together(settings)
    return settings


def _read(
    env: Env, name: str, given: Given, *, parse: Callable[[str], object], default: object, secret: bool
) -> object:
    text = read_secret(env, name) if secret else env.str(name, "").strip()
    if not text:
        return default(given) if callable(default) else default
    try:
        return parse(text)
    except ValueError as error:
        raise SettingsError(f"{name} {error}") from None


def read_secret(env: Env, name: str) -> str:
    """The value of `NAME`, or what stands in the file that `NAME_FILE` names, without white space around it; else "".

    Raises SettingsError when both are set, and when the file can't be read as text.
    """
    text = env.str(name, "").strip()
    file = env.str(f"{name}_FILE", "").strip()
    if not file:
        return text
    if text:
        raise SettingsError(f"{name} and {name}_FILE are both set: choose one")
    try:
        with Path(file).open("rb") as opened:
            read = opened.read(SECRET_FILE_BYTES + 1)
        if len(read) > SECRET_FILE_BYTES:
            raise SettingsError(f"{name}_FILE is longer than {SECRET_FILE_BYTES} bytes")
        return read.decode().strip()
    except OSError as error:
        raise SettingsError(f"{name}_FILE can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{name}_FILE is not UTF-8 text") from None


def _check_together(settings: Settings) -> None:
    if not settings.api_keys and not is_loopback(settings.host):
        raise SettingsError(f"API_KEYS is empty: without keys HOST must be a loopback address, not {settings.host}")
    if settings.transcriber == "deepgram" and not settings.deepgram_api_key:
        raise SettingsError("TRANSCRIBER is deepgram but DEEPGRAM_API_KEY is empty")
    if bool(settings.convex_url) != bool(settings.convex_deploy_key):
        raise SettingsError("CONVEX_URL and CONVEX_DEPLOY_KEY go together: set both or none")


def _environment() -> Env:
    env = Env()
    try:
        env.read_env(".env", recurse=False)
    except EnvError as error:
        raise SettingsError(f".env can't be read: {error}") from None
    return env


@cache
def settings() -> Settings:
    """The settings of this process."""
    return read_settings()
