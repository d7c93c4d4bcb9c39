"""Timecode at every rate, beside OpenTimelineIO's."""

from fractions import Fraction

import opentimelineio as otio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.exports_made import RATES
from workers.exports.rates import FrameRate, broadcast_rate, frame_rate, parse_rate, whole_rate

KNOWN = [(name, drop) for name in ("23.976", "24", "25", "29.97", "30", "50", "59.94", "60") for drop in (False, True)]
TESTED = [(RATES[name], drop) for name, drop in KNOWN if not drop or name in ("29.97", "59.94")]


@pytest.mark.parametrize(
    ("rate", "drop", "timecode"),
    [
        ("29.97", False, "00:59:56:12"),
        ("29.97", True, "01:00:00;00"),
        ("59.94", False, "00:59:56:24"),
        ("59.94", True, "01:00:00;00"),
        ("23.976", False, "00:59:56:10"),
        ("25", False, "01:00:00:00"),
        ("20", False, "01:00:00:00"),
    ],
)
def test_an_hour_of_the_clock_is_the_timecode_that_the_rate_gives_it(rate: str, drop: bool, timecode: str) -> None:
    counted = FrameRate(RATES[rate], drop)

    assert counted.timecode(counted.frames(3600.0)) == timecode


@pytest.mark.parametrize(("exact", "drop"), TESTED)
@given(frame=st.integers(0, 24 * 3600 * 23))
def test_timecode_is_what_opentimelineio_counts(exact: Fraction, drop: bool, frame: int) -> None:
    rate = FrameRate(exact, drop)
    time = otio.opentime.RationalTime(frame, float(exact))

    told = otio.opentime.to_timecode(time, float(exact), drop)

    assert rate.timecode(frame) == told
    assert rate.frame_of(told) == frame


@pytest.mark.parametrize("exact", RATES.values(), ids=RATES)
@given(frame=st.integers(0, 12 * 3600 * 14))
def test_every_frame_has_a_timecode_of_its_own(exact: Fraction, frame: int) -> None:
    rate = frame_rate(exact)

    assert rate.frame_of(rate.timecode(frame)) == frame


def test_timecode_begins_anew_after_a_day() -> None:
    rate = FrameRate(Fraction(25))

    assert rate.timecode(25 * 3600 * 25) == "01:00:00:00"


@pytest.mark.parametrize(
    ("exact", "start", "drops"),
    [
        ("30000/1001", None, True),
        ("30000/1001", "01:00:00;00", True),
        ("30000/1001", "01:00:00:00", False),
        ("60000/1001", None, True),
        ("24000/1001", None, False),
        ("30", None, False),
    ],
)
def test_frame_numbers_are_dropped_where_that_is_the_custom(exact: str, start: str | None, drops: bool) -> None:
    assert frame_rate(Fraction(exact), start_timecode=start).drop_frame == drops


@pytest.mark.parametrize(
    ("exact", "broadcast", "whole"),
    [
        ("20", "24", "20"),
        ("15", "24", "15"),
        ("15000/1001", "24000/1001", "15000/1001"),
        ("48", "50", "48"),
        ("120", "60", "120"),
        ("29637/1000", "30", "30"),
        ("30123/1000", "50", "31"),
        ("30000/1001", "30000/1001", "30000/1001"),
    ],
)
def test_a_format_that_does_not_know_a_rate_gets_the_next_one(exact: str, broadcast: str, whole: str) -> None:
    assert broadcast_rate(FrameRate(Fraction(exact))).exact == Fraction(broadcast)
    assert whole_rate(FrameRate(Fraction(exact))).exact == Fraction(whole)


@pytest.mark.parametrize(
    "text", [None, "", "0", "0/1", "25/0", "-25", "25.5", "1/3", "1e9", "99999999999/1", "x/y", 7.5]
)
def test_what_is_no_rate_of_a_picture_is_none(text: object) -> None:
    assert parse_rate(text) is None
