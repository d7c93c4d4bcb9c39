"""Times as people and programs write them: clocks, dates, seconds, Unix time."""

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from workers.download.chat_forms.clean import number
from workers.download.chat_forms.entry import Clock

_CLOCK = re.compile(
    r"(?P<sign>-)?(?P<first>\d{1,4}):(?P<second>\d{2})(?::(?P<third>\d{2}))?(?:[.,](?P<part>\d{1,9}))?"
    r"(?: ?(?P<half>[AaPp])\.?[Mm]\.?)?"
)
_WORDS = re.compile(r"(?:(\d{1,4})h)?(?:(\d{1,5})m(?:in)?)?(?:(\d{1,6}(?:\.\d{1,9})?)s)?")
_DATE = re.compile(
    r"(?:(?P<year>\d{4})(?P<sign>[-/.])(?P<month>\d{2})(?P=sign)(?P<day>\d{2})"
    r"|(?P<first>\d{1,2})(?P<between>[./])(?P<second>\d{1,2})(?P=between)(?P<last>\d{4}|\d{2}))"
    r"(?:[T _]|, )+(?P<clock>\d{1,2}:\d{2}(?::\d{2})?)(?P<part>[.,]\d{1,9})?"
    r"(?: ?(?P<half>[AaPp])\.?[Mm]\.?)? ?(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2})?"
)
# Seconds since 1970 have nine digits or more in every year that there has been chat; larger ones are of smaller units.
_UNIX_S = 3e8
_UNITS = ((3e17, 1e9), (3e14, 1e6), (3e11, 1e3), (_UNIX_S, 1.0))


class Moment(NamedTuple):
    """seconds of `clock`.  has_hours: written with hours, so it may as well be the time of day."""

    seconds: float
    clock: Clock = Clock.RECORDING
    has_hours: bool = False


def clock_moment(text: str) -> Moment | None:
    """`h:mm:ss`, `mm:ss`, either with parts of a second, or a time of day with am or pm."""
    match = _CLOCK.fullmatch(text)
    if match is None:
        return None
    first, second, third = int(match["first"]), int(match["second"]), match["third"]
    part_s = float(f"0.{match['part']}") if match["part"] else 0.0
    if match["half"]:
        hour = first % 12 + (12 if match["half"] in "pP" else 0)
        return Moment(hour * 3600 + second * 60 + int(third or 0) + part_s, Clock.DAY, True)
    seconds = first * 60 + second if third is None else first * 3600 + second * 60 + int(third)
    return Moment(-(seconds + part_s) if match["sign"] else seconds + part_s, Clock.RECORDING, third is not None)


def date_moment(text: str) -> Moment | None:
    """A date with a time of day; taken as UTC where no zone is named. None when there is no such day."""
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    hour, minute, second = (int(part) for part in f"{match['clock']}:00".split(":")[:3])
    if match["half"]:
        hour = hour % 12 + (12 if match["half"] in "pP" else 0)
    try:
        found = datetime(*_day(match), hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    zone = match["zone"] or "Z"
    if zone[0] in "+-":
        ahead = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
        found -= ahead if zone[0] == "+" else -ahead
    part_s = float(match["part"].replace(",", ".")) if match["part"] else 0.0
    return Moment(found.timestamp() + part_s, Clock.UTC, True)


def _day(match: re.Match[str]) -> tuple[int, int, int]:
    """Year, month and day: `2026-01-31`, German `31.1.2026`, American `1/31/2026`, or `31/1/2026` where that fails."""
    if match["year"]:
        return int(match["year"]), int(match["month"]), int(match["day"])
    first, second, year = int(match["first"]), int(match["second"]), int(match["last"])
    american = match["between"] == "/" and first <= 12
    month, day = (first, second) if american else (second, first)
    return year if year > 99 else 2000 + year, month, day


def number_moment(value: float, *, unit_s: float = 1.0) -> Moment:
    """Seconds of the recording, or of Unix time where they are that many. unit_s: of what is counted, if known."""
    if unit_s == 1.0:
        for least, per_second in _UNITS:
            if value >= least:
                return Moment(value / per_second, Clock.UTC)
    seconds = value * unit_s
    return Moment(seconds, Clock.UTC if seconds >= _UNIX_S else Clock.RECORDING)


def moment(text: str, *, unit_s: float = 1.0) -> Moment | None:
    """Any of these, or `1h2m3s`; a comma counts as a point. None when `text` is no time."""
    text = text.strip().strip("[]()")
    found = number(text.replace(",", ".")) if text[:1] not in "nNiI" and len(text) <= 32 else None
    if found is not None:
        return number_moment(found, unit_s=unit_s)
    if clock := clock_moment(text) or date_moment(text):
        return clock
    words = _WORDS.fullmatch(text)
    if words is None or not any(words.groups()):
        return None
    hours, minutes, seconds = (float(part or 0) for part in words.groups())
    return Moment(hours * 3600 + minutes * 60 + seconds)
