"""All jobs out of a Redis into a file, and back into an empty one.

What lives for seconds is left out: leases, who is alive, the limiter's counts, what was in Celery's queues. The reaper
finds the stages that nobody works on and sends them again. Values are DUMPs: a server reads those of its own version
and of older ones.
"""

import base64
import gzip
import json
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypedDict

import redis

from shared.atomic import written_whole
from shared.redis import keys

BATCH = 500
PAUSE_MS = 60_000  # the longest time for which nobody can write
FORMAT = "klipstream-1"
PASSING = tuple(keys.PREFIX + name for name in ("lease:", "workers:", "limit", "ready:", "reaper:", "breaker-probe:"))


class BackupError(Exception):
    """The backup can't be made or read back; nothing was changed."""


class _Line(TypedDict):
    """One key. ttl_ms: 0 for one that stays."""

    key: str
    ttl_ms: int
    dump: str


class _Entry(NamedTuple):
    key: bytes
    ttl_ms: int
    dump: bytes


def save(client: redis.Redis, into: Path) -> int:
    """Write every key of ours to `into` (mode 600) and return how many there were.

    client: without decoded responses.  Writers wait meanwhile, so that all is of one moment. Raises BackupError when
    that took too long, RedisError, OSError.
    """
    count = 0
    with written_whole(into) as temporary:
        temporary.touch(mode=0o600)
        with gzip.open(temporary, "wt", encoding="ascii") as file, _nobody_writing(client):
            file.write(json.dumps({"format": FORMAT}) + "\n")
            for entry in _entries(client):
                file.write(json.dumps(_line(entry)) + "\n")
                count += 1
    return count


def load(client: redis.Redis, source: Path) -> int:
    """Write what `save` wrote into an empty database; how many keys.

    client: without decoded responses.  Raises BackupError when there are jobs already or the file is none of ours,
    RedisError, OSError.
    """
    if next(client.scan_iter(match=keys.job("*"), count=BATCH), None) is not None:
        raise BackupError("there are jobs in this Redis: a backup is restored into an empty one only")
    # Read whole first: a damaged file must leave nothing half restored.
    entries = list(_read(source))
    for first in range(0, len(entries), BATCH):
        with client.pipeline(transaction=False) as pipe:
            for entry in entries[first : first + BATCH]:
                pipe.restore(entry.key, entry.ttl_ms, entry.dump, replace=True)
            pipe.execute()
    return len(entries)


@contextmanager
def _nobody_writing(client: redis.Redis) -> Iterator[None]:
    began = time.monotonic()
    client.execute_command("CLIENT", "PAUSE", PAUSE_MS, "WRITE")
    try:
        yield
    finally:
        client.execute_command("CLIENT", "UNPAUSE")
    if time.monotonic() - began > PAUSE_MS / 1000:
        raise BackupError(f"reading all jobs took more than {PAUSE_MS / 1000:.0f} s: back a replica up instead")


def _entries(client: redis.Redis) -> Iterator[_Entry]:
    names = (bytes(name) for name in client.scan_iter(match=f"{keys.PREFIX}*", count=BATCH))
    kept = (name for name in names if not name.decode(errors="replace").startswith(PASSING))
    while batch := list(islice(kept, BATCH)):
        with client.pipeline(transaction=False) as pipe:
            for name in batch:
                pipe.pttl(name)
                pipe.dump(name)
            answers = pipe.execute()
        for name, ttl_ms, dump in zip(batch, answers[::2], answers[1::2], strict=True):
            if dump is not None:
                yield _Entry(name, max(0, ttl_ms), dump)


def _line(entry: _Entry) -> _Line:
    key, dump = (base64.b64encode(data).decode() for data in (entry.key, entry.dump))
    return {"key": key, "ttl_ms": entry.ttl_ms, "dump": dump}


def _read(source: Path) -> Iterator[_Entry]:
    """Raises BackupError where the file is not whole, or none of ours."""
    try:
        with gzip.open(source, "rt", encoding="ascii") as file:
            if json.loads(next(file, "null")) != {"format": FORMAT}:
                raise BackupError(f"{source} is no backup of this form")
            for text in file:
                line: _Line = json.loads(text)
                yield _Entry(base64.b64decode(line["key"]), int(line["ttl_ms"]), base64.b64decode(line["dump"]))
    except (ValueError, KeyError, TypeError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BackupError(f"{source} is damaged") from error
