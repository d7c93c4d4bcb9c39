"""The API keys that are good now. Where they come from a file, a changed file is read again: keys change in service."""

import hashlib
import hmac
import math
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from shared.log import logger
from shared.settings import SettingsError, read_settings

FILE_VARIABLE = "API_KEYS_FILE"
LOOK_EVERY_S = 1.0
log = logger("klipstream.keys")


class _Seen(NamedTuple):
    """What tells one state of the file from another."""

    changed_ns: int
    inode: int
    size: int


class KeyRing:
    """Names and the digests of their keys. Never without keys once it had some: then everything would stand open."""

    def __init__(self, api_keys: Mapping[str, tuple[str, ...]]) -> None:
        self._lock = threading.Lock()
        self._digests = _digests(api_keys)
        self._file = os.environ.get(FILE_VARIABLE, "").strip()
        # Not the state of now: the settings may be hours older, when a process is asked for the first time.
        self._seen: _Seen | None = None
        self._looked_at = -math.inf

    @property
    def names(self) -> frozenset[str]:
        """Whose keys they are; empty when the server is open."""
        return frozenset(self._now())

    def owner_of(self, key: str) -> str | None:
        """The name of the key; None for one that is not good."""
        given = hashlib.sha256(key.encode()).digest()
        # Every key is compared, in constant time, so that nothing can be learnt from how long it took.
        matches = [
            name for name, digests in self._now().items() for digest in digests if hmac.compare_digest(given, digest)
        ]
        return matches[0] if matches else None

    def _now(self) -> Mapping[str, tuple[bytes, ...]]:
        if self._file and time.monotonic() - self._looked_at >= LOOK_EVERY_S:
            with self._lock:
                self._read_again_if_changed()
        return self._digests

    def _read_again_if_changed(self) -> None:
        self._looked_at = time.monotonic()
        seen = self._look()
        if seen is None or seen == self._seen:
            return
        self._seen = seen
        try:
            api_keys = read_settings().api_keys
            if not api_keys:
                raise SettingsError(f"{FILE_VARIABLE} is empty")
        except SettingsError as error:
            log.error("api_keys_not_read", reason=str(error))  # noqa: TRY400 -- an operator's slip, not ours
            return
        self._digests = _digests(api_keys)
        log.info("api_keys_read", names=sorted(api_keys), keys=sum(map(len, api_keys.values())))

    def _look(self) -> _Seen | None:
        """None while the file can't be seen, such as in the moment in which another takes its place."""
        try:
            found = Path(self._file).stat()
        except OSError:
            return None
        return _Seen(found.st_mtime_ns, found.st_ino, found.st_size)


def _digests(api_keys: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[bytes, ...]]:
    return {name: tuple(hashlib.sha256(key.encode()).digest() for key in keys) for name, keys in api_keys.items()}
