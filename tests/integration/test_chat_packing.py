"""Packed chat files: unpacked as they are read, in bounded memory, or refused with what to do."""

import bz2
import gzip
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.errors import ChatUnavailable
from shared.progress import silent
from workers.download.chat_import import import_chat

CHAT = b'[{"content_offset_seconds": 1, "message": {"body": "hi"}}]'


def messages(folder: Path, data: bytes) -> int:
    (folder / "chat").write_bytes(data)
    return import_chat(folder / "chat", folder / "chat.jsonl", work=folder, progress=silent).messages


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


def encrypted() -> bytes:
    """The flag alone: what is in it is refused before it is looked at."""
    data = bytearray(zipped(("chat.json", CHAT)))
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


# Tests are named by the keys: packed bytes hold the time at which they were packed.
PACKED = {
    "gzip": gzip.compress(CHAT),
    "zip": zipped(("chat.json", CHAT)),
    "zip, stored, in a folder": zipped(("night/chat.json", CHAT), method=zipfile.ZIP_STORED),
    "zip with what systems add": zipped(
        ("night/", b""), ("night/chat.json", CHAT), ("__MACOSX/night/._chat.json", b"x"), (".DS_Store", b"x")
    ),
    "gzip in a zip": zipped(("chat.json.gz", gzip.compress(CHAT))),
    "zip of UTF-16": zipped(("chat.json", CHAT.decode().encode("utf-16"))),
    "gzip of two members": gzip.compress(CHAT[:30]) + gzip.compress(CHAT[30:]),
}


@pytest.mark.parametrize("kind", PACKED)
def test_a_chat_is_found_in_its_packing(tmp_path: Path, kind: str) -> None:
    assert messages(tmp_path, PACKED[kind]) == 1


REFUSED = {
    "two files": (zipped(("a.json", CHAT), ("b.json", CHAT)), "holds 2 files"),
    "no file": (zipped(("night/", b"")), "holds 0 files"),
    "many files": (zipped(*((f"{number}.json", CHAT) for number in range(200))), "far more than a chat file"),
    "bzip2 in a zip": (zipped(("chat.json", CHAT), method=zipfile.ZIP_BZIP2), "Unpack it first"),
    "LZMA in a zip": (zipped(("chat.json", CHAT), method=zipfile.ZIP_LZMA), "Unpack it first"),
    "encrypted": (encrypted(), "Unpack it first"),
    "a zip that breaks off": (zipped(("chat.json", CHAT * 99))[:-30], "Unpack it first"),
    "a wrong checksum": (
        zipped(("chat.json", CHAT), method=zipfile.ZIP_STORED).replace(b'"hi"', b'"ho"'),
        "Unpack it first",
    ),
    "a zip in gzip": (gzip.compress(zipped(("chat.json", CHAT))), "zip archive"),
    "gzip in gzip": (gzip.compress(gzip.compress(CHAT)), "archive inside archives"),
    "bzip2": (bz2.compress(CHAT), "bzip2"),
    "gzip that breaks off": (gzip.compress(CHAT * 999)[:-10], "damaged or breaks off"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_packing_that_can_not_be_used_says_why(tmp_path: Path, kind: str) -> None:
    data, words = REFUSED[kind]
    with pytest.raises(ChatUnavailable, match=words):
        messages(tmp_path, data)


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: zipped(("chat.json", data))])
def test_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes]) -> None:
    monkeypatch.setattr("workers.download.chat_forms.packing.MOST_BYTES", 5_000_000)

    with pytest.raises(ChatUnavailable, match="larger than"):
        messages(tmp_path, pack(b'{"comments": [' + b" " * 10_000_000 + b"]}"))


MEASURE = """
import resource, sys
from pathlib import Path
from shared.errors import ChatUnavailable
from shared.progress import silent
from workers.download.chat_import import import_chat
folder, messages = Path(sys.argv[1]), 0
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    messages = import_chat(folder / "chat", folder / "chat.jsonl", work=folder, progress=silent).messages
except ChatUnavailable:
    pass
print(messages, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
MB = 1_000_000
HOSTILE: dict[str, Callable[[], bytes]] = {
    "a header of 100 MB": lambda: b'{"embeddedData": "' + b"x" * (100 * MB) + b'", "comments": []}',
    "a header nested a million times": lambda: b'{"a": ' + b'{"a":[' * MB,
    "a line of 100 MB": lambda: b"[0:00:01] a: hi\n" * 9 + b"[0:00:02] a: " + b"x" * (100 * MB),
    "a JSON line of 100 MB": lambda: CHAT[1:-1] + b"\n" + CHAT[1:-1] + b'\n{"a": "' + b"x" * (100 * MB),
    "a cell of 100 MB": lambda: b'time,message\n1,"' + b"x\n" * (50 * MB),
    "a row of 30 million cells": lambda: b"time,message\n1,a\n" + b"2," * (30 * MB),
    "a million keys": lambda: b"{" + b",".join(b'"%d":1' % number for number in range(2 * MB)) + b"}",
    "a text of 100 MB": lambda: b'{"comments": [{"message": "' + b"x" * (100 * MB),
}


def imported_in_a_process(folder: Path) -> tuple[int, int]:
    """How many messages `folder`'s file "chat" gives, 0 when it is refused, and by how many MiB the process grew."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(folder)], check=True, capture_output=True, text=True, timeout=120
    )
    messages, megabytes = map(int, done.stdout.split())
    return messages, megabytes


@pytest.mark.parametrize("kind", HOSTILE)
def test_memory_is_bounded_whatever_a_small_file_unpacks_to(tmp_path: Path, kind: str) -> None:
    (tmp_path / "chat").write_bytes(gzip.compress(HOSTILE[kind](), compresslevel=1))

    _, megabytes = imported_in_a_process(tmp_path)

    assert megabytes < 100


def test_memory_does_not_grow_with_the_size_of_the_texts(tmp_path: Path) -> None:
    # Given 100 000 comments of 1 KB each, out of order: 100 MB unpacked
    with gzip.open(tmp_path / "chat", "wt", compresslevel=1) as file:
        file.write('{"comments": [')
        for number in range(100_000):
            record = {"content_offset_seconds": number * 7919 % 99_991, "message": {"body": "x" * 1000}}
            file.write(f"{',' if number else ''}{json.dumps(record)}")
        file.write("]}")

    messages, megabytes = imported_in_a_process(tmp_path)

    assert messages == 100_000
    # The file is mapped while it is written in order, which the kernel counts until it wants the memory back.
    assert megabytes < 160


def test_the_comments_of_a_stream_of_two_encodings_are_the_same(tmp_path: Path) -> None:
    records = [{"content_offset_seconds": number, "message": {"body": "ü😂" * 50}} for number in range(5000)]
    text = json.dumps(records, ensure_ascii=False)

    assert messages(tmp_path, text.encode()) == 5000
    first = (tmp_path / "chat.jsonl").read_bytes()
    assert messages(tmp_path, text.encode("utf-16-be")) == 5000
    assert (tmp_path / "chat.jsonl").read_bytes() == first
