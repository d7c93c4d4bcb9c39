"""Frame rates as exact fractions, and SMPTE timecode at any of them."""

import re
from dataclasses import dataclass
from fractions import Fraction
from math import floor

ASSUMED = Fraction(30)  # when nothing is known about the recording's picture
SLOWEST, FASTEST = Fraction(1), Fraction(1000)
NTSC = 1001  # denominator of the rates that NTSC left behind
# SMPTE ST 12-1: these leave out frame numbers in nine of ten minutes, so that timecode keeps up with the clock.
DROPPING = (Fraction(30000, NTSC), Fraction(60000, NTSC))
WHOLE_RATES = tuple(map(Fraction, (24, 25, 30, 50, 60)))
NTSC_RATES = tuple(Fraction(frames * 1000, NTSC) for frames in (24, 30, 60))
_TIMECODE = re.compile(r"(\d{2}):([0-5]\d):([0-5]\d)([:;.,])(\d{2,3})")
_FRACTION = re.compile(r"(\d{1,9})(?:/(\d{1,9}))?")


@dataclass(frozen=True)
class FrameRate:
    """exact: frames a second.  drop_frame: whether its timecode leaves out numbers."""

    exact: Fraction
    drop_frame: bool = False

    @property
    def counted(self) -> int:
        """Frames in a second of timecode: 30 at 29.97."""
        return max(1, round(self.exact))

    @property
    def is_ntsc(self) -> bool:
        """Whether it is one of n * 1000 / 1001 frames a second."""
        return self.exact.denominator == NTSC

    @property
    def _dropped(self) -> int:
        """Frame numbers left out at the beginning of a minute."""
        return self.counted // 15 if self.drop_frame else 0

    def frames(self, seconds: float) -> int:
        """The frame boundary nearest to `seconds`, counted from 0."""
        return floor(Fraction(seconds) * self.exact + Fraction(1, 2))

    def seconds(self, frames: int) -> Fraction:
        """How long so many frames are, exactly."""
        return frames / self.exact

    def timecode(self, frame: int) -> str:
        """The timecode of `frame`, such as 01:00:00;00 with dropped numbers, 00:59:56:12 without. Wraps at 24 h."""
        minute = self.counted * 60 - self._dropped
        ten_minutes = minute * 10 + self._dropped
        frame %= ten_minutes * 6 * 24
        tens, rest = divmod(frame, ten_minutes)
        # The first of ten minutes drops nothing.
        minutes = max(0, rest - self._dropped) // minute
        number = frame + self._dropped * (9 * tens + minutes)
        seconds, frames = divmod(number, self.counted)
        clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        return f"{clock}{';' if self.drop_frame else ':'}{frames:02d}"

    def frame_of(self, timecode: str) -> int:
        """The frame that `timecode` names. Raises ValueError when it is none."""
        match = _TIMECODE.fullmatch(timecode)
        if match is None:
            raise ValueError(f"{timecode!r} is no timecode")
        hours, minutes, seconds, frames = (int(match[group]) for group in (1, 2, 3, 5))
        total = hours * 60 + minutes
        return (total * 60 + seconds) * self.counted + frames - self._dropped * (total - total // 10)

    def __str__(self) -> str:
        return f"{float(self.exact):.3f}".rstrip("0").rstrip(".")


def parse_rate(text: object) -> Fraction | None:
    """The rate that "30000/1001" or "25" names; None when it names none that a picture can have."""
    match = _FRACTION.fullmatch(str(text))
    if match is None or int(match[2] or 1) == 0:
        return None
    rate = Fraction(int(match[1]), int(match[2] or 1))
    return rate if SLOWEST <= rate <= FASTEST else None


def frame_rate(exact: Fraction, *, start_timecode: str | None = None) -> FrameRate:
    """The rate with drop-frame timecode where that is the custom, unless the recording's own timecode has none."""
    drops = exact in DROPPING and (start_timecode is None or ";" in start_timecode or "." in start_timecode)
    return FrameRate(exact, drops)


def broadcast_rate(rate: FrameRate) -> FrameRate:
    """`rate` if it is one that every editor knows, else the next faster one of its family, else the fastest."""
    known = NTSC_RATES if rate.is_ntsc else WHOLE_RATES
    if rate.exact in known:
        return rate
    exact = next((one for one in known if one > rate.exact), known[-1])
    return FrameRate(exact, exact in DROPPING)


def whole_rate(rate: FrameRate) -> FrameRate:
    """`rate` if its frames are a whole number or NTSC's, else the next whole number of frames a second."""
    if rate.is_ntsc or rate.exact.denominator == 1:
        return rate
    return FrameRate(Fraction(rate.counted if rate.counted >= rate.exact else rate.counted + 1))
