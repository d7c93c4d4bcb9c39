"""A body in a file: what comes in comes out, whole or cut, wherever the target stands."""

import os
from pathlib import Path

import pytest

from shared.errors import VideoSizeExceeded
from workers.download import spool as module
from workers.download.spool import Spool
from workers.download.wholeness import looks_whole

CHUNKS = [bytes([number]) * 300_001 for number in range(7)]
WHOLE = b"".join(CHUNKS)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    made = Spool(tmp_path)
    for chunk in CHUNKS:
        made.add(chunk)
    return made


def copied(spool: Spool, into: Path) -> bytes:
    with into.open("wb") as file:
        file.write(b"before")
        spool.copy_into(file)
        file.write(b"behind")
    return into.read_bytes()


def test_what_was_added_is_copied_to_where_the_target_stands(spool: Spool, tmp_path: Path) -> None:
    assert len(spool) == len(WHOLE)
    assert copied(spool, tmp_path / "out") == b"before" + WHOLE + b"behind"


def test_it_is_copied_too_where_the_kernel_has_no_call_for_it(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "copy_file_range", raising=False)

    assert copied(spool, tmp_path / "out") == b"before" + WHOLE + b"behind"


def test_a_part_is_what_is_left_of_it(spool: Spool, tmp_path: Path) -> None:
    spool.cut(300_000, 600_003)

    assert spool.read_at(0, 3) == WHOLE[300_000:300_003]
    assert spool.read_at(600_000, 100) == WHOLE[900_000:900_003]
    assert copied(spool, tmp_path / "out") == b"before" + WHOLE[300_000:900_003] + b"behind"


def test_the_next_body_begins_anew(spool: Spool, tmp_path: Path) -> None:
    spool.cut(5, 10)
    spool.begin()
    spool.add(b"short")

    assert copied(spool, tmp_path / "out") == b"beforeshortbehind"


def test_a_body_far_too_large_is_refused(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BODY_BYTES", len(WHOLE) + 1)

    with pytest.raises(VideoSizeExceeded):
        spool.add(b"ab")


def test_nothing_of_it_is_seen_in_the_folder(spool: Spool, tmp_path: Path) -> None:
    assert len(spool)
    assert list(tmp_path.iterdir()) == []


PACKET = b"\x47" + bytes(187)


def box(kind: bytes, size: int) -> bytes:
    return size.to_bytes(4, "big") + kind + bytes(size - 8)


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        (b"", False),
        (PACKET * 3, True),
        (PACKET * 3 + PACKET[:100], False),
        (PACKET * 2 + b"x" * 188, False),
        (box(b"styp", 24) + box(b"moof", 100) + box(b"mdat", 1000), True),
        ((box(b"styp", 24) + box(b"mdat", 1000))[:-1], False),
        (b"\x00\x00\x00\x18ftyp" + bytes(16) + b"\x00\x00\x00\x04mdat", False),
        (b"something else", True),
        (b"<html>sorry", False),
    ],
)
def test_a_segment_is_whole_when_it_ends_as_its_format_does(tmp_path: Path, data: bytes, whole: bool) -> None:
    spool = Spool(tmp_path)
    spool.add(data)

    assert looks_whole(spool.read_at, len(spool)) is whole
