"""What every form of chat file gives: comments with a time, and facts about the file that place them."""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from workers.chatlog import Comment


class Clock(IntEnum):
    """What the seconds of a file count from.

    RECORDING: the recording's or the stream's start.  DAY: midnight somewhere (more than 86400 after the next one).
    UTC: 1970.
    """

    RECORDING = 0
    DAY = 1
    UTC = 2


class Entry(NamedTuple):
    """A comment of which `offset_seconds` are seconds of `clock`.  cut: its text was too long and is not whole."""

    comment: Comment
    clock: Clock = Clock.RECORDING
    cut: bool = False


@dataclass(kw_only=True)
class Facts:
    """What a file tells beside its comments; filled while it is read, complete at its end.

    form: its name for people.  video_id: of the VOD that it says to be of.  start_s, end_s: the part of the stream that
    was downloaded (TwitchDownloader), in seconds of the stream, and length_s of the whole of it.  log_start_s: when a
    log was opened, on its comments' clock;
    log_midnight_s: Unix time of the midnight before, where the log tells its zone.
    may_be_day: times that are written `h:mm:ss` may be of the recording or of the day.
    """

    form: str = ""
    start_s: float | None = None
    end_s: float | None = None
    length_s: float | None = None
    video_id: str | None = None
    log_start_s: float | None = None
    log_midnight_s: float | None = None
    may_be_day: bool = False
    breaks_off: bool = False  # behind the comments, or in the last of them
    bad_characters: bool = False
