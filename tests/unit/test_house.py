"""What the code has to stay like."""

import pytest

from bench.house import ROOT, Module, Place, modules, places_of_any

MOST_ANY = 25  # of what has no type that could be written


@pytest.fixture(scope="module")
def found() -> list[Module]:
    return modules(ROOT)


def shown(places: list[Place]) -> str:
    return "\n".join(f"{place.module}:{place.number}  {place.line}" for place in places)


def test_any_is_rare(found: list[Module]) -> None:
    places = places_of_any(found)

    assert len(places) < MOST_ANY, shown(places)


def test_any_is_never_said_without_a_reason(found: list[Module]) -> None:
    unexplained = [place for place in places_of_any(found) if len(place.line.partition("#")[2].split()) < 4]

    assert not unexplained, shown(unexplained)
