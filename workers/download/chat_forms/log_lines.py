"""Chats as text: TwitchDownloader's, Chatterino's and IRC clients' logs, one comment a line."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from workers.download.chat_forms.clean import comment, is_too_long, name
from workers.download.chat_forms.clean import number as number_of
from workers.download.chat_forms.entry import Clock, Entry, Facts
from workers.download.chat_forms.packing import ChatText
from workers.download.chat_forms.times import Moment, clock_moment, date_moment

LONGEST_LINE = 64 * 1024
SAMPLE_LINES = 200
LEAST_SHARE = 0.4  # of the sample that has to be comments
DAY_S = 86_400.0
TEXT, LOG, IRC = "text with a time before each comment", "a chat log with times of day", "IRC messages as received"

_TIME = (
    r"(?:\d{1,4}[-/.]\d{1,2}[-/.]\d{2,4},?[T _]+)?-?\d{1,4}:\d{2}(?::\d{2})?(?:[.,]\d{1,9})?"
    r"(?: ?[AaPp]\.?[Mm]\.?)?(?: ?(?:Z|UTC|GMT|[+-]\d{2}:?\d{2}))?"
)
_LINE = re.compile(
    rf"\s*(?:[A-Z][a-z]{{2}} +\d{{1,2}} )?(?:\[(?P<square>{_TIME})\]|\((?P<round>{_TIME})\)|(?P<bare>{_TIME})(?=[\s|]))"
    r"\s*[|\-–]?\s*(?P<rest>.*)",
    re.DOTALL,
)
_CHANNEL = re.compile(r"#\w{1,50}:?\s+")
_NICK = re.compile(r"<(?P<name>[^<>]{1,100})>\s?(?P<text>.*)", re.DOTALL)
_TAB = re.compile(r"(?P<name>[@+%~&!]?\w[^\t]{0,99})\t(?P<text>.*)", re.DOTALL)
_COLON = re.compile(
    r"(?:\([^()]{1,200}\) )?(?P<name>[^\s:*][^\s:]{0,99}(?: [^\s:]{1,99}){0,3}): ?(?P<text>.*)", re.DOTALL
)
_RANKS = "@+%~&! "
_OPENED = re.compile(
    r"(?:# Start logging at|--- Log opened|Session Start:|\*{4} BEGIN LOGGING AT)\s+(?P<when>.+)", re.IGNORECASE
)
_CLOCK_IN = re.compile(r"\d{1,2}:\d{2}:\d{2}")
_DATE_IN = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2}) \d{1,2}:\d{2}:\d{2} (?P<zone>[A-Z]{1,5})(?P<ahead>[+-]\d{1,2})?(?::00)?\s*"
)
# Hours ahead of UTC; those of RFC 822 and Europe's. Where one means another zone too, the times will not fit.
_ZONES = {
    "UTC": 0, "GMT": 0, "Z": 0, "WET": 0, "WEST": 1, "BST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3, "MSK": 3,
    "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
}  # fmt: skip
_RAW = re.compile(
    r"(?:(?P<outer>\[?"
    + _TIME
    + r"\]?)\s+)?(?:@(?P<tags>\S{1,8192}) )?:(?P<name>[^!\s]{1,100})!\S+ PRIVMSG #\S+ :(?P<text>.*)",
    re.DOTALL,
)
_TAG = re.compile(r"(?:^|;)(tmi-sent-ts|id|display-name)=([^;]*)")


class _Read(NamedTuple):
    at: Moment
    user: str | None
    text: str
    id: str | None = None
    nick: bool = False  # as IRC clients write it, <name>


def matches(lines: list[str]) -> bool:
    """Whether the lines are comments with times, most of them."""
    filled = [line for line in lines if line.strip()][:SAMPLE_LINES]
    found = sum(_read(line) is not None for line in filled)
    return found > 0 and found >= LEAST_SHARE * sum(_OPENED.match(line) is None for line in filled)


def entries(chat: ChatText, facts: Facts) -> Iterator[Entry | None]:
    """Every comment; None for each line that is none, such as somebody's coming and going."""
    days_s = 0.0
    before_s: float | None = None
    for number, line in enumerate(chat.lines(LONGEST_LINE)):
        if not line or line.isspace():
            continue
        if opened := _OPENED.match(line.strip()):
            _note_opening(opened["when"], facts)
            continue
        read = _read(line)
        if read is None:
            yield None
            continue
        at = _with_day(read, facts)
        if at.clock is not Clock.UTC and at.has_hours:
            # Past midnight a time of day starts again.
            days_s += DAY_S if before_s is not None and before_s - at.seconds > DAY_S / 2 else 0.0
            before_s = at.seconds
        if at.clock is Clock.DAY and facts.log_midnight_s is not None:
            at = Moment(facts.log_midnight_s + at.seconds, Clock.UTC, True)
        facts.may_be_day = facts.may_be_day or at.has_hours
        made = comment(read.id, at.seconds + days_s, read.user, read.text, fallback_id=f"n{number}")
        yield Entry(made, at.clock, cut=is_too_long(read.text) or len(line) >= LONGEST_LINE)
        facts.form = facts.form or (IRC if read.id else LOG if at.clock is Clock.DAY else TEXT)


def _with_day(read: _Read, facts: Facts) -> Moment:
    """In a log that says when it was opened, and where clients write `12:34 <name>`, times are of the day."""
    at = read.at
    if at.clock is not Clock.RECORDING:
        return at
    if read.nick and not at.has_hours:
        return Moment(at.seconds * 60, Clock.DAY, True)
    return Moment(at.seconds, Clock.DAY, True) if facts.log_start_s is not None and at.has_hours else at


def _note_opening(when: str, facts: Facts) -> None:
    """The first opening of a log: a time of day, and the moment of its midnight where the zone is known."""
    clock = _CLOCK_IN.search(when)
    found = clock_moment(clock[0]) if clock else None
    if found is None or facts.log_start_s is not None:
        return
    facts.log_start_s = found.seconds
    dated = _DATE_IN.fullmatch(when)
    if dated and dated["zone"] in _ZONES and (midnight := date_moment(f"{dated['day']} 0:00")):
        ahead_h = _ZONES[dated["zone"]] + int(dated["ahead"] or 0)
        facts.log_midnight_s = midnight.seconds - ahead_h * 3600
        facts.log_start_s += facts.log_midnight_s


def _read(line: str) -> _Read | None:
    """What a line says; None when it has no time or nobody says it."""
    if "PRIVMSG" in line and (raw := _RAW.match(line.strip())):
        return _read_raw(raw)
    match = _LINE.match(line)
    if match is None:
        return None
    written = match["square"] or match["round"] or match["bare"]
    at = date_moment(written) or clock_moment(written)
    rest = match["rest"]
    if channel := _CHANNEL.match(rest):
        rest = rest[channel.end() :]
    said = _NICK.match(rest) or (_TAB.match(rest) if "\t" in rest else None) or _COLON.match(rest)
    if at is None or said is None:
        return None
    user = said["name"].lstrip(_RANKS).strip()
    return _Read(at, name(user), said["text"].strip(), nick=rest.startswith("<")) if user else None


def _read_raw(raw: re.Match[str]) -> _Read | None:
    """A message with IRCv3 tags, which hold the moment and the id; or with a time before it."""
    tags = dict(_TAG.findall(raw["tags"] or ""))
    sent_ms = number_of(tags.get("tmi-sent-ts"))
    outer = (raw["outer"] or "").strip("[]")
    at = Moment(sent_ms / 1000, Clock.UTC, True) if sent_ms is not None else date_moment(outer) or clock_moment(outer)
    text = raw["text"].strip()
    if text.startswith("\x01ACTION "):
        text = text[8:].rstrip("\x01")
    return None if at is None else _Read(at, name(raw["name"]), text, name(tags.get("id")))
