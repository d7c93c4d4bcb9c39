"""The ledger of a download: what is whole is kept, what lies behind it is cut off."""

from pathlib import Path

import pytest

from shared.errors import InsufficientStorage
from workers.download.ledger import LEDGER, Entry, SegmentStore, check_space
from workers.download.spool import Spool


def store(folder: Path, key: str = "a") -> SegmentStore:
    return SegmentStore(folder, key=key, min_free_bytes=0)


def spooled(folder: Path, data: bytes) -> Spool:
    spool = Spool(folder)
    spool.add(data)
    return spool


def filled(folder: Path) -> None:
    with store(folder) as made:
        made.append(0, "ok", spooled(folder, b"zero"), run=0, init=b"INIT")
        made.append(1, "missing", spooled(folder, b""), run=0)
        made.append(2, "muted", spooled(folder, b"two!"), run=0, init=b"INIT")
        made.append(3, "ok", spooled(folder, b"three"), run=1)


ENTRIES = [
    Entry(0, "ok", 0, 4, 4),
    Entry(1, "missing", 0, 8, 0),
    Entry(2, "muted", 0, 8, 4),
    Entry(3, "ok", 1, 0, 5),
]


def test_what_was_written_is_there_the_next_time(tmp_path: Path) -> None:
    filled(tmp_path)

    with store(tmp_path) as again:
        assert again.entries == ENTRIES
        assert again.path(0).read_bytes() == b"INITzerotwo!"
        again.append(4, "ok", spooled(tmp_path, b"four"), run=1)

    assert again.path(1).read_bytes() == b"threefour"


def test_bytes_without_a_ledger_line_are_cut_off(tmp_path: Path) -> None:
    filled(tmp_path)
    with (tmp_path / "run-00001.bin").open("ab") as file:
        file.write(b"half of fo")
    (tmp_path / "run-00002.bin").write_bytes(b"never finished")

    with store(tmp_path) as again:
        assert again.entries == ENTRIES
        assert again.path(1).read_bytes() == b"three"
        assert not again.path(2).exists()


@pytest.mark.parametrize("tail", ['[4, "ok", 1, 5', "garbage\n", '[9, "ok", 1, 5, 2]\n', '{"a": 1}\n', "[4]\n"])
def test_a_torn_or_foreign_line_ends_the_ledger(tmp_path: Path, tail: str) -> None:
    filled(tmp_path)
    with (tmp_path / LEDGER).open("a") as file:
        file.write(tail)

    with store(tmp_path) as again:
        assert again.entries == ENTRIES

    assert (tmp_path / LEDGER).read_text().count("\n") == 1 + len(ENTRIES)


def test_lines_whose_bytes_are_lost_are_dropped(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / "run-00000.bin").write_bytes(b"INITzerot")

    with store(tmp_path) as again:
        assert again.entries == ENTRIES[:2]
        assert again.path(0).read_bytes() == b"INITzero"


def test_another_recording_starts_over(tmp_path: Path) -> None:
    filled(tmp_path)

    with store(tmp_path, key="b") as again:
        assert again.entries == []
        assert not again.path(0).exists()


def test_a_full_disk_is_told_before_it_is_full(tmp_path: Path) -> None:
    with pytest.raises(InsufficientStorage):
        check_space(tmp_path, needed_bytes=1 << 60, min_free_bytes=0)
    check_space(tmp_path, needed_bytes=1, min_free_bytes=0)
