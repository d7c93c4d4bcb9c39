"""One unbroken timeline out of the timestamps of a recording, which jump, overlap, start anywhere or are missing."""

from typing import NamedTuple

TOLERANCE_S = 0.05  # a step this small is rounding or jitter, not a gap
LONGEST_GAP_S = 1800.0  # a longer step forward is a clock that was set anew, not missing sound
LONGEST_OVERLAP_S = 1.0  # a longer step back is one too
LONGEST_LEAD_IN_S = 0.5  # encoder delay before time 0


class Placed(NamedTuple):
    """Where a piece of sound goes, in samples from time 0; `gap` samples before it have to be filled."""

    start: int
    gap: int


class SampleClock:
    """Places pieces of sound (packets or frames) one after another.

    rate: samples a second of the timeline.  grain: gaps are whole multiples of it (a codec's frame size).
    The error against the recording's own timestamps stays under TOLERANCE_S plus half a grain, however long it is.
    """

    def __init__(self, rate: int, *, grain: int = 1) -> None:
        self.resets = 0
        self.dropped = 0
        self.filled = 0
        self.position: int | None = None  # where the next piece is expected, in samples
        self._rate = rate
        self._grain = grain
        self._shift = 0

    @property
    def seconds(self) -> float:
        """How long the timeline is."""
        return max(self.position or 0, 0) / self._rate

    def place(self, at: int | None, length: int) -> Placed | None:
        """The place of `length` samples whose timestamp is `at`; None: it repeats what is there, leave it out."""
        if self.position is None:
            return self._place_first(at or 0, length)
        at = self.position if at is None else at + self._shift
        step = at - self.position
        if step > LONGEST_GAP_S * self._rate or step < -LONGEST_OVERLAP_S * self._rate:
            self._shift -= step
            self.resets += 1
            step = 0
        if step < -TOLERANCE_S * self._rate:
            self.dropped += length
            return None
        gap = round(step / self._grain) * self._grain if step > TOLERANCE_S * self._rate else 0
        return self._advance(self.position + gap, gap, length)

    def _place_first(self, at: int, length: int) -> Placed:
        if at > LONGEST_GAP_S * self._rate or at < -LONGEST_LEAD_IN_S * self._rate:
            self._shift = -at
            self.resets += 1
            at = 0
        gap = -(-at // self._grain) * self._grain if at > 0 else 0
        # Whole grains may begin a little before time 0; what is before it is not played.
        return self._advance(at, gap, length)

    def _advance(self, start: int, gap: int, length: int) -> Placed:
        self.position = start + length
        self.filled += gap
        return Placed(start, gap)

    def warnings(self) -> tuple[str, ...]:
        """What the user should know about the timestamps."""
        found = []
        if self.filled > TOLERANCE_S * self._rate:
            found.append(f"{self.filled / self._rate:.1f} s without sound were filled with silence.")
        if self.resets:
            found.append(f"The recording's clock jumps {self.resets} times; times after a jump may be off.")
        if self.dropped > TOLERANCE_S * self._rate:
            found.append(f"{self.dropped / self._rate:.1f} s of repeated sound were left out.")
        return tuple(found)
