"""The order of event ids."""

import pytest

from web.event_text import order


def test_ids_are_ordered_as_numbers() -> None:
    ids = ["1700000000000-10", "999-0", "1700000000000-9", "1700000000001-0"]

    assert sorted(ids, key=order) == ["999-0", "1700000000000-9", "1700000000000-10", "1700000000001-0"]


@pytest.mark.parametrize("text", ["", "x", "1", "1-", "-1", "1-1-1", "+", "(1-1", "1-1\n", "²-1", "9" * 30 + "-1"])
def test_what_is_no_id_comes_before_every_id(text: str) -> None:
    assert order(text) == (0, 0)
