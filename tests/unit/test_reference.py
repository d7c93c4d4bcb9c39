"""docs/reference.md says what the code does."""

import re

import pytest

from shared.settings import Settings
from tests.reference import PAGE, TABLES, current

OPERATORS = PAGE.with_name("operators.md")


def test_every_table_of_the_reference_is_what_the_code_has() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert page == current(page), "run make reference"


def test_every_table_is_on_the_page() -> None:
    assert set(re.findall(r"<!-- (\w+) -->", PAGE.read_text(encoding="utf-8"))) - {"end"} == set(TABLES)


@pytest.mark.parametrize("name", Settings.__dataclass_fields__)
def test_every_setting_is_explained_to_operators(name: str) -> None:
    assert f"`{name.upper()}`" in OPERATORS.read_text(encoding="utf-8")
