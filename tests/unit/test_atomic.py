"""Files that are there whole or not at all; things that happen only now and then."""

from pathlib import Path

import pytest

from shared.atomic import written_whole
from shared.throttle import Throttle


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "file.mp4"
    target.write_text("old")

    with written_whole(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
        assert temporary.suffix == ".mp4"

    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_what_failed_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")

    def fail() -> None:
        with written_whole(target) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_throttle_lets_the_first_through_and_then_one_at_a_time() -> None:
    seldom, always = Throttle(3600), Throttle(0)

    assert [seldom.is_due() for _ in range(3)] == [True, False, False]
    assert [always.is_due() for _ in range(3)] == [True, True, True]
