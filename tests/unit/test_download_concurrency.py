"""How many segments at once: on links whose rate is a formula, in time that the test makes pass."""

import random
from collections.abc import Callable

import pytest

from workers.download.concurrency import LONGEST_PAUSE_S, AdaptiveLimit, Bounds

Link = Callable[[int], float]  # bytes/s of so many connections
STEP_S = 0.05


class Download:
    """A limit on a link, and the time that passes there."""

    def __init__(self, link: Link, *, noise: float = 0.0, bounds: Bounds | None = None) -> None:
        self.link = link
        self.now = 0.0
        self.received = 0.0
        self.values: list[int] = []
        self.limit = AdaptiveLimit(bounds or Bounds(), clock=lambda: self.now)
        self._noise = noise
        self._random = random.Random(20261126)

    def run(self, seconds: float) -> list[int]:
        """The limit at each step."""
        began = len(self.values)
        for _ in range(round(seconds / STEP_S)):
            self.now += STEP_S
            self.received += (
                self.link(self.limit.value) * STEP_S * self._random.uniform(1 - self._noise, 1 + self._noise)
            )
            self.limit.look(round(self.received), is_full=True)
            self.values.append(self.limit.value)
        return self.values[began:]

    def rate(self, seconds: float) -> float:
        before = self.received
        self.run(seconds)
        return (self.received - before) / seconds


def proportional(count: int) -> float:
    return count * 10e6


def shared(count: int) -> float:
    return min(count * 10e6, 35e6)


def crowded(count: int) -> float:
    return count * (10e6 if count < 8 else 2.5e6)


def crowded_early(count: int) -> float:
    return count * (10e6 if count < 3 else 2e6)


def test_it_grows_to_the_most_while_that_brings_more() -> None:
    download = Download(proportional, noise=0.03)

    assert download.run(4)[-1] == Bounds().most
    assert download.rate(60) > 0.97 * proportional(Bounds().most)


def test_it_stays_where_more_brings_nothing() -> None:
    download = Download(shared, noise=0.02)

    values = download.run(30)

    assert values[0] == 4
    assert sum(values) / len(values) < 8
    assert download.rate(60) > 0.97 * 35e6


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_it_finds_the_edge_behind_which_the_server_falls_off(noise: float) -> None:
    download = Download(crowded, noise=noise)
    download.run(10)

    assert download.rate(120) > 0.95 * crowded(7)


def test_it_goes_below_where_it_began_when_that_brings_more() -> None:
    download = Download(crowded_early)
    download.run(120)

    assert download.rate(60) > 0.9 * crowded_early(2)


def test_it_follows_a_link_that_gets_wider() -> None:
    download = Download(shared)
    download.run(20)

    download.link = proportional

    assert download.run(2 * LONGEST_PAUSE_S)[-1] == Bounds().most


def test_trouble_halves_it_at_once_and_once_for_all_who_meet_it() -> None:
    download = Download(proportional)
    download.run(10)

    for _ in range(16):
        download.limit.trouble()

    assert download.limit.value == 8
    assert download.run(1.5)[-1] == 8
    assert download.run(30)[-1] == Bounds().most


def test_lasting_trouble_leaves_one() -> None:
    download = Download(proportional)
    for _ in range(6):
        download.run(2)
        download.limit.trouble()

    assert download.limit.value == 1


def test_what_arrives_while_fewer_are_on_their_way_says_nothing() -> None:
    download = Download(proportional)
    for step in range(1000):
        download.now += STEP_S
        download.limit.look(step, is_full=False)

    assert download.limit.value == 4


def test_a_fixed_number_stays() -> None:
    download = Download(proportional, bounds=Bounds.fixed(6))
    download.limit.trouble()

    assert set(download.run(60)) == {6}


def test_a_cap_below_the_usual_start_is_kept() -> None:
    assert Bounds.up_to(2) == Bounds(first=2, least=1, most=2)
    assert set(Download(proportional, bounds=Bounds.up_to(2)).run(60)) <= {1, 2}
