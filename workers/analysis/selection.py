"""Which moments become highlights. Where each begins and ends is said in `borders`."""

from dataclasses import dataclass, replace

import numpy as np

from shared.emotions import EMOTIONS
from workers.analysis.borders import Borders
from workers.analysis.scoring import WINDOW_S
from workers.analysis.stats import Floats
from workers.analysis.timeline import Timeline
from workers.analysis.word_signals import Words

SPACING_S = 50
LOWEST_SCORE = 0.005  # under this nothing happened
CANDIDATES = 4  # times the highlights asked for
CLEAR_PEOPLE, CLEAR_SHARE = 3.0, 0.08  # who must show an emotion before it is told
CHANCE_ERRORS = 3.0
SPOKEN_REACTIONS = 1.0
CLEAR_LAUGHTER_Z = 3.0


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Seconds from the start of the recording. emotion: None when no signal tells one."""

    start_s: float
    end_s: float
    peak_s: float
    reaction_s: float | None  # when the chat's reaction begins
    second: int  # where it stands in the timeline's score and z
    score: float
    emotion: str | None


def select(timeline: Timeline, words: Words | None, *, count: int) -> list[Moment]:
    """At most `count` moments, best first, without overlaps."""
    return apart(candidates(timeline, words, count=count), count=count)


def candidates(timeline: Timeline, words: Words | None, *, count: int) -> list[Moment]:
    """More moments than asked for, best first; they may overlap."""
    borders = Borders(timeline, words)
    found = []
    for peak in _peaks(timeline.columns["score"], limit=count * CANDIDATES):
        placed = borders.around(peak)
        found.append(
            Moment(
                start_s=round(placed.start_s, 2),
                end_s=round(placed.end_s, 2),
                peak_s=round(placed.moment_s, 2),
                reaction_s=placed.reaction_s,
                second=peak,
                score=float(timeline.columns["score"][peak]),
                emotion=_emotion(timeline, peak),
            )
        )
    return found


def apart(found: list[Moment], *, count: int) -> list[Moment]:
    """The best `count` of `found`, given best first, that do not overlap."""
    chosen: list[Moment] = []
    for moment in found:
        free = _beside(moment, chosen)
        if free is not None and len(chosen) < count:
            chosen.append(free)
    return chosen


def _peaks(score: Floats, *, limit: int) -> list[int]:
    """Seconds with the highest scores, at least SPACING_S apart; of equal neighbours the first."""
    found: list[int] = []
    free = np.ones(len(score), dtype=bool)
    for second in np.argsort(-score, kind="stable").tolist():
        if score[second] < LOWEST_SCORE or len(found) >= limit:
            break
        if free[second]:
            found.append(second)
            free[max(0, second - SPACING_S + 1) : second + SPACING_S] = False
    return found


def _emotion(timeline: Timeline, peak: int) -> str | None:
    """The emotion that stands out there: of the chat, else of the words, else of the sound; None when none does."""
    start = max(0, peak + timeline.lag_at(peak) - 3)
    if timeline.has_chat:
        found = _stands_out(timeline, "", slice(start, start + WINDOW_S), whole="weight", fewest=CLEAR_PEOPLE)
        if found is not None:
            return found
    if timeline.has_words:
        near = slice(max(0, peak - 3), peak + 9)
        found = _stands_out(timeline, "speech_", near, whole="phrases", fewest=SPOKEN_REACTIONS)
        if found is not None:
            return found
    if timeline.has_sound and not timeline.has_chat:
        laughing = timeline.z.get("laughter", np.zeros(timeline.seconds))[max(0, peak - 2) : peak + 10]
        return "funny" if len(laughing) and laughing.max() > CLEAR_LAUGHTER_Z else None
    return None


def _stands_out(timeline: Timeline, prefix: str, near: slice, *, whole: str, fewest: float) -> str | None:
    """The emotion with the most reactions there over the stream's habit. whole: the column of all that could react."""
    everything = timeline.columns[whole]
    columns = [timeline.columns[prefix + name] for name in EMOTIONS]
    said = float(everything[near].sum())
    here = np.array([column[near].sum() for column in columns])
    habit = np.array([column.sum() for column in columns]) / max(1.0, float(everything.sum()))
    more = here - habit * said
    best = int(np.argmax(more))
    # The highest of some thousand seconds: chance alone brings the habit's count up by three of its standard errors.
    chance = CHANCE_ERRORS * float(np.sqrt(habit[best] * said))
    return EMOTIONS[best] if more[best] >= max(fewest, CLEAR_SHARE * said, chance) else None


def _beside(moment: Moment, chosen: list[Moment]) -> Moment | None:
    """`moment` cut to the room between the chosen ones; None when it lies in one of them or too little is left."""
    start, end = moment.start_s, moment.end_s
    for other in chosen:
        if other.start_s < end and start < other.end_s:
            if other.start_s <= moment.peak_s <= other.end_s:
                return None
            if other.peak_s <= moment.peak_s:
                start = max(start, other.end_s)
            else:
                end = min(end, other.start_s)
    if (start, end) == (moment.start_s, moment.end_s):
        return moment
    short = end - start < Borders.MIN_LENGTH_S or not start <= moment.peak_s <= end
    return None if short else replace(moment, start_s=start, end_s=end)
