"""Where a highlight begins and ends: from where the thing begins to where the reaction has calmed.

People who draw highlights by hand begin them half a minute before the chat's height: the joke needs its set-up.
Where words or sound are known the start is moved to a break in the talk or to a quiet second; else to where the chat
begins to rise.
"""

from typing import NamedTuple

import numpy as np

from workers.analysis.stats import Floats
from workers.analysis.surge import usual_count
from workers.analysis.timeline import Timeline
from workers.analysis.word_signals import Words

LEAD_S = 28.0  # from the start to the moment, where nothing tells it better
LEAST_LEAD_S, MOST_LEAD_S = 8.0, 40.0
SILENT_LU, SILENT_S = 15.0, 2  # under the usual, so shortly before the moment: it is itself where the thing begins
TAIL_S = 12.0  # from the moment to the end at least
MOST_TAIL_S = 25.0
END_REACH_S = 4.0  # how far the end moves outwards to fall between sentences
BREAK_S, BREAK_TIMES = 1.5, 3.0  # a pause of that length, and so many times the usual pause, begins something new
SEARCH_BEFORE_S, SEARCH_AFTER_S = 6, 4  # around the chat's onset, for the sound of the moment
CLEAR_RISE_LU = 4.0
ONSET_S = 20  # of chat in which the reaction's height is looked for
BUILD_UP = 1.3  # times the usual: the chat is rising already
CALM_SHARE = 1 / 3


class Placed(NamedTuple):
    """Seconds. moment_s: what is reacted to.  reaction_s: when the chat's reaction begins, None without chat."""

    start_s: float
    end_s: float
    moment_s: float
    reaction_s: float | None


class Borders:
    """Finds borders in one recording."""

    MIN_LENGTH_S, MAX_LENGTH_S = 15.0, 60.0

    def __init__(self, timeline: Timeline, words: Words | None) -> None:
        self._timeline = timeline
        self._words = words if words is not None and len(words.sentence_starts) else None
        if timeline.has_chat:
            self._people = timeline.columns["people"]
            self._usual = usual_count(self._people)
        if self._words is not None:
            self._pauses = _pauses(self._words)
            between = self._pauses[self._pauses > 0]
            self._clear_pause = max(BREAK_S, BREAK_TIMES * float(np.median(between)) if len(between) else BREAK_S)

    def around(self, peak: int) -> Placed:
        """The borders of the moment at second `peak` of the score."""
        reaction, lag_s = self._reaction_onset(peak), self._timeline.lag_at(peak)
        moment = float(peak) if reaction is None else float(reaction - lag_s)
        moment = self._sound_onset(max(0.0, moment))
        calm = moment if reaction is None else self._calm(reaction) - lag_s
        start = self._start(moment, reaction)
        end = self._end(moment, min(max(moment + TAIL_S, calm), moment + MOST_TAIL_S))
        duration_s = self._timeline.duration_s
        start = max(0.0, min(start, duration_s - self.MIN_LENGTH_S))
        end = min(max(end, start + self.MIN_LENGTH_S), start + self.MAX_LENGTH_S, duration_s)
        return Placed(start, end, moment, None if reaction is None else float(reaction))

    def _reaction_onset(self, peak: int) -> int | None:
        """The first second at which the chat has risen a third of its height there above the usual."""
        if not self._timeline.has_chat:
            return None
        first = max(0, peak + self._timeline.lag_at(peak) - 8)
        height = self._above(first, first + ONSET_S)
        if not len(height) or height.max() <= 0:
            return None
        top = int(np.argmax(height))
        low = np.nonzero(height[: top + 1] < CALM_SHARE * height[top])[0]
        return first + (int(low[-1]) + 1 if len(low) else 0)

    def _above(self, first: int, last: int) -> Floats:
        return np.asarray(self._people[first:last] - self._usual[first:last])

    def _calm(self, reaction: int) -> float:
        """When the chat has fallen to a third of its height above the usual."""
        height = self._above(reaction, reaction + int(self.MAX_LENGTH_S))
        if not len(height):
            return float(reaction)
        top = int(np.argmax(height[:20]))
        calm = np.nonzero(height[top:] < CALM_SHARE * height[top])[0]
        return float(reaction + (top + int(calm[0]) if len(calm) else len(height)))

    def _sound_onset(self, moment: float) -> float:
        """The clear rise of the sound nearest before or at the moment, or the moment itself."""
        loudness = self._timeline.columns.get("loudness_lufs")
        if loudness is None:
            return moment
        first = max(1, int(moment) - SEARCH_BEFORE_S)
        around = loudness[first - 1 : int(moment) + SEARCH_AFTER_S + 1]
        rises = np.nan_to_num(np.diff(around), nan=0.0)
        if not len(rises) or rises.max() < CLEAR_RISE_LU:
            return moment
        return float(first + int(np.argmax(rises)))

    def _start(self, moment: float, reaction: int | None) -> float:
        low, high = max(0.0, moment - MOST_LEAD_S), max(0.0, moment - LEAST_LEAD_S)
        if self._after_silence(moment):
            return moment
        if self._words is not None:
            return self._sentence_start(self._words.sentence_starts, moment, low, high)
        wanted = max(0.0, moment - LEAD_S)
        if self._timeline.has_sound:
            return self._quietest(wanted, max(low, wanted - 6), min(high, wanted + 6))
        return max(low, self._build_up(wanted, reaction))

    def _after_silence(self, moment: float) -> bool:
        """Whether all was silent before the moment: nothing led up to it."""
        loudness = self._timeline.columns.get("loudness_lufs")
        if loudness is None or moment < SILENT_S:
            return False
        before = loudness[int(moment) - SILENT_S : int(moment) + 1]
        return bool(np.nanmin(before, initial=0.0) < np.nanmedian(loudness) - SILENT_LU)

    def _sentence_start(self, starts: Floats, moment: float, low: float, high: float) -> float:
        """After the last clear break in the talk before the moment, else with the sentence nearest the usual lead."""
        inside = slice(int(np.searchsorted(starts, low)), int(np.searchsorted(starts, high, side="right")))
        if not len(starts[inside]):
            return max(0.0, moment - LEAD_S)
        breaks = np.nonzero(self._pauses[inside] >= self._clear_pause)[0]
        if len(breaks):
            return float(starts[inside][breaks[-1]])
        return float(starts[inside][np.argmin(np.abs(starts[inside] - (moment - LEAD_S)))])

    def _build_up(self, wanted: float, reaction: int | None) -> float:
        """Earlier than wanted where the chat was rising already."""
        if reaction is None:
            return wanted
        early = int(wanted) + self._timeline.lag_at(int(wanted))
        before = self._people[max(0, early - 12) : early + 1]
        rising = before > BUILD_UP * np.maximum(1.0, self._usual[max(0, early - 12) : early + 1])
        calm = np.nonzero(~rising)[0]
        return wanted - float(len(rising) - 1 - calm[-1]) if len(calm) else wanted - 12.0

    def _end(self, moment: float, wanted: float) -> float:
        low, high = max(moment + 2, wanted - 1.0), wanted + END_REACH_S
        if self._words is not None:
            ends = self._words.sentence_ends
            inside = ends[np.searchsorted(ends, low) : np.searchsorted(ends, high, side="right")]
            return float(inside[np.argmin(np.abs(inside - wanted))]) if len(inside) else wanted
        return self._quietest(wanted, low, high) if self._timeline.has_sound else wanted

    def _quietest(self, wanted: float, low: float, high: float) -> float:
        """The quietest second from low to high, `wanted` if none is clearly quieter than it."""
        first = max(0, int(np.ceil(low)))
        loudness = self._timeline.columns["loudness_lufs"][first : max(first, int(high)) + 1]
        if not len(loudness) or np.isnan(loudness).any():
            return wanted
        here = self._timeline.columns["loudness_lufs"][min(int(wanted), self._timeline.seconds - 1)]
        return float(first + int(np.argmin(loudness))) if loudness.min() < here - CLEAR_RISE_LU else wanted


def _pauses(words: Words) -> Floats:
    """The silence before every sentence in s; before the first it is the time since the recording's start."""
    ends = np.concatenate(([0.0], words.sentence_ends[:-1]))[: len(words.sentence_starts)]
    return np.asarray(np.maximum(0.0, words.sentence_starts - ends))
