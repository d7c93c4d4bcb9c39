"""Where the comments of a chat file lie in the recording: what has to be added to their times, and what lies outside.

A file's times count from the start of the stream, of the part that was downloaded, of the day, or from 1970; only some
files say which.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from workers.download.chat_forms import Clock, Facts

Floats = npt.NDArray[np.float64]

FITS_FROM = 0.5  # of the comments inside
HINT_FROM = 0.02  # of the comments outside; every VOD has a few behind its end
FILLED = 0.5  # of the recording, by times that are taken as milliseconds
LEAST_ROUNDED = 3  # comments at whole thousands that are nothing else
IN_MILLISECONDS = "The chat file's times were taken as milliseconds: as seconds they would lie outside the recording."
SET_OFFSET = "Set options.chat_offset_seconds if they should lie elsewhere."


class Recording(NamedTuple):
    """The recording that a chat belongs to, as far as it is known.

    begins_at: Unix time of its start.  chat_offset_s: what the user wants added to every comment.  video_id: Twitch's.
    """

    duration_s: float | None = None
    begins_at: float | None = None
    chat_offset_s: float = 0.0
    video_id: str | None = None

    @property
    def end_s(self) -> float:
        """Up to here the analysis, which works in whole seconds, hears comments."""
        return math.inf if self.duration_s is None else float(math.ceil(self.duration_s))


class Placement(NamedTuple):
    """shift_s: to be added to the file's times.  notes: what the user should know about it."""

    shift_s: float = 0.0
    notes: tuple[str, ...] = ()


def unit_of(times: Floats, clock: Clock, recording: Recording) -> float:
    """Seconds in a unit of the file's times: 0.001 where only as milliseconds they lie in the recording and fill it.

    times: numbers of `clock`'s seconds, if they are seconds.
    """
    end_s = recording.end_s
    if not len(times) or clock is not Clock.RECORDING or math.isinf(end_s):
        return 1.0
    moved = times + recording.chat_offset_s
    inside = float(((moved >= 0) & (moved < end_s)).mean())
    last_s = float(times.max()) / 1000 + recording.chat_offset_s
    if inside >= HINT_FROM or last_s >= end_s + 1 or (times % 1).any():
        return 1.0
    rounded = len(times) >= LEAST_ROUNDED and not (times % 1000).any()
    return 0.001 if rounded or last_s >= FILLED * end_s else 1.0


def identity_notes(facts: Facts, recording: Recording) -> tuple[str, ...]:
    """Whether the file says that it is another VOD's."""
    of = (facts.video_id or "").removeprefix("v")
    if recording.video_id is None or not of.isdecimal() or of == recording.video_id:
        return ()
    return (f"The chat file says that it is of VOD {of}, not of {recording.video_id}.",)


def place(times: Floats, clock: Clock, facts: Facts, recording: Recording) -> Placement:
    """How the times of a file (seconds of `clock`, in the file's order) become seconds of the recording."""
    if not len(times):
        return Placement()
    if clock is Clock.RECORDING:
        return _of_stream(times, facts, recording)
    return _of_clock(times, clock, facts, recording)


def _of_stream(times: Floats, facts: Facts, recording: Recording) -> Placement:
    start_s = facts.start_s or 0.0
    first, last = float(times.min()), float(times.max())
    if start_s > 0:
        end_s = facts.end_s if facts.end_s is not None and facts.end_s > start_s else max(last, start_s)
        if last <= end_s - start_s and first < start_s:
            return Placement()  # somebody has subtracted it already
        if _is_whole(start_s, end_s, facts.length_s, recording.duration_s):
            note = f"The chat file holds {clock_text(start_s)} to {clock_text(end_s)} of the recording only."
            return Placement(0.0, (note,))
        note = f"The chat file begins at {clock_text(start_s)} of its stream (video.start); that was subtracted."
        return Placement(-start_s, (note,))
    if facts.may_be_day and first > recording.end_s:
        note = (
            f"The chat file's times begin at {clock_text(first)}, after the recording's end: they were taken as times "
            f"of the day or of a longer stream, and the first comment as the recording's start. {SET_OFFSET}"
        )
        return Placement(-first, (note,))
    return Placement()


def _is_whole(start_s: float, end_s: float, length_s: float | None, duration_s: float | None) -> bool:
    """Whether the recording is the whole stream, though the chat is only that of start_s to end_s."""
    if duration_s is None:
        return False
    as_part = abs(duration_s - (end_s - start_s))
    as_whole = abs(duration_s - length_s) if length_s and length_s >= end_s else max(0.0, end_s - duration_s)
    return as_whole < as_part


def _of_clock(times: Floats, clock: Clock, facts: Facts, recording: Recording) -> Placement:
    kind = "UTC" if clock is Clock.UTC else "the day"
    zeros = _zeros(times, clock, facts, recording)
    zero_s, meaning = next((one for one in zeros if _fits(times - one[0], recording)), zeros[-1])
    return Placement(
        -zero_s, (f"The chat file has times of {kind}; {meaning} was taken as the recording's start. {SET_OFFSET}",)
    )


def _fits(times: Floats, recording: Recording) -> bool:
    return float(((times >= 0) & (times < recording.end_s)).mean()) >= FITS_FROM


def _zeros(times: Floats, clock: Clock, facts: Facts, recording: Recording) -> list[tuple[float, str]]:
    """What may be the recording's start on the file's clock, the best known first."""
    found = []
    if clock is Clock.UTC and recording.begins_at is not None:
        found.append((recording.begins_at, "the moment at which Twitch says it began"))
    if facts.log_start_s is not None:
        found.append((facts.log_start_s, "the opening of the log"))
    return [*found, (float(times.min()), "the first comment")]


class Outside(NamedTuple):
    """Of `total` comments, those before the recording's start and after its end. earliest_s, latest_s: of all."""

    total: int
    before: int
    after: int
    earliest_s: float = 0.0
    latest_s: float = 0.0


def outside(times: Floats, recording: Recording) -> Outside:
    """times: seconds of the recording."""
    if not len(times):
        return Outside(0, 0, 0)
    before, after = int((times < 0).sum()), int((times >= recording.end_s).sum())
    return Outside(len(times), before, after, float(times.min()), float(times.max()))


def outside_warnings(found: Outside, recording: Recording) -> tuple[str, ...]:
    """What lies outside, and the offset that would bring all of it in, if one would."""
    count = found.before + found.after
    if not count:
        return ()
    parts = ((found.before, f"{found.before} before its start"), (found.after, f"{found.after} after its end"))
    where = ", ".join(text for number, text in parts if number)
    warning = f"{count} of {found.total} comments lie outside the recording ({where})."
    likely_s = _likely_offset(found, recording)
    if likely_s is not None and count >= HINT_FROM * found.total:
        warning += f" options.chat_offset_seconds of about {likely_s:.0f} would bring them in."
    return (warning,)


def _likely_offset(found: Outside, recording: Recording) -> float | None:
    """The smallest change with which all comments lie inside, None when there is none or it is not allowed.

    Of a chat that lies outside altogether the first comment comes to the start.
    """
    if found.latest_s - found.earliest_s > recording.end_s:
        return None
    to_start = found.before or found.after == found.total
    change_s = -found.earliest_s if to_start else recording.end_s - found.latest_s
    total_s = recording.chat_offset_s + change_s
    return total_s if abs(total_s) <= MOST_OFFSET_S else None


MOST_OFFSET_S = 86_400.0


def clock_text(seconds: float) -> str:
    """Seconds as h:mm:ss."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
