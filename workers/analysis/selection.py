"""Which moments become highlights, and where each begins and ends."""

from dataclasses import dataclass

import numpy as np

from workers.analysis.lexicon import EMOTIONS
from workers.analysis.scoring import WINDOW_S
from workers.analysis.stats import Floats, window_sums
from workers.analysis.timeline import Timeline
from workers.analysis.word_signals import Words

MIN_LENGTH_S, MAX_LENGTH_S = 8.0, 60.0
SPACING_S = 25  # between the moments of two highlights
LOWEST_SCORE = 0.02  # under this nothing happened
BUILD_UP_S = 2.0  # shown before the moment
START_REACH_S, END_REACH_S = 2.5, 4.0  # how far a border moves outwards to fall between sentences
AFTER_S = 9.0  # shown after the moment at least, the end of the reaction at most
SEARCH_BEFORE_S, SEARCH_AFTER_S = 6, 4  # around the chat's onset, for the sound of the moment
CLEAR_RISE_LU = 4.0
SAME_EMOTION_PENALTY = 0.12  # log-odds for each better highlight of the same emotion
NEAR_PENALTY, NEAR_S = 0.4, 240.0


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
    """At most `count` moments, best first, without overlaps; variety decides between close scores."""
    peaks = _peaks(timeline.columns["score"], limit=count * 6)
    emotions = {peak: _emotion(timeline, peak) for peak in peaks}
    log_odds = {peak: _log_odds(float(timeline.columns["score"][peak])) for peak in peaks}
    chosen: list[Moment] = []
    left = list(peaks)
    while left and len(chosen) < count:
        best = max(left, key=lambda peak: (log_odds[peak] - _penalty(peak, emotions[peak], chosen), -peak))
        left.remove(best)
        moment = _without_overlap(_placed(timeline, words, best, emotions[best]), chosen)
        if moment is not None:
            chosen.append(moment)
    return sorted(chosen, key=lambda moment: (-moment.score, moment.start_s))


def _log_odds(score: float) -> float:
    bounded = min(max(score, 1e-9), 1 - 1e-9)
    return float(np.log(bounded / (1 - bounded)))


def _penalty(peak: int, emotion: str | None, chosen: list[Moment]) -> float:
    same = sum(moment.emotion == emotion for moment in chosen)
    near = any(abs(moment.second - peak) < NEAR_S for moment in chosen)
    return SAME_EMOTION_PENALTY * same + NEAR_PENALTY * near


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
    """The emotion that stands out most there: of the chat, else of the words, else of the sound."""
    start = max(0, peak + timeline.chat_lag_s - 3)
    for prefix, begin, length in (("", start, WINDOW_S), ("speech_", max(0, peak - 3), 12)):
        if prefix + EMOTIONS[0] not in timeline.columns:
            continue
        columns = [timeline.columns[prefix + name] for name in EMOTIONS]
        here = np.array([column[begin : begin + length].sum() for column in columns])
        usual = np.array([column.mean() for column in columns]) * length
        if here.max() > 0:
            # Half of the stream's average is taken off, so that its habitual word does not name every moment.
            return EMOTIONS[int(np.argmax(here - 0.5 * usual))]
    if not timeline.has_sound:
        return None
    laughing = timeline.z["laughter"][max(0, peak - 2) : peak + 10]
    return "funny" if len(laughing) and laughing.max() > 3.0 else "excitement"


def _placed(timeline: Timeline, words: Words | None, peak: int, emotion: str | None) -> Moment:
    reaction = _reaction_onset(timeline, peak)
    moment = float(reaction - timeline.chat_lag_s) if reaction is not None else float(peak)
    moment = _sound_onset(timeline, max(0.0, moment))
    end = max(moment + AFTER_S, _reaction_end(timeline, reaction, moment))
    start, end = _borders(timeline, words, max(0.0, moment - BUILD_UP_S), end, moment)
    return Moment(
        start_s=round(start, 2),
        end_s=round(end, 2),
        peak_s=round(moment, 2),
        reaction_s=None if reaction is None else float(reaction),
        second=peak,
        score=float(timeline.columns["score"][peak]),
        emotion=emotion,
    )


def _reaction_onset(timeline: Timeline, peak: int) -> int | None:
    """The first second at which the chat's reaction has reached a third of its height there."""
    if not timeline.has_chat:
        return None
    start = max(0, peak + timeline.chat_lag_s - 5)
    height = window_sums(timeline.columns["reaction"][start : start + WINDOW_S + 10], window_s=3)
    if not len(height) or height.max() <= 0:
        return None
    top = int(np.argmax(height))
    low = np.nonzero(height[: top + 1] < height[top] / 3)[0]
    return start + (int(low[-1]) + 2 if len(low) else 0)


def _sound_onset(timeline: Timeline, moment: float) -> float:
    """The clear rise of the sound nearest before or at the moment, or the moment itself."""
    loudness = timeline.columns.get("loudness_lufs")
    if loudness is None:
        return moment
    first = max(1, int(moment) - SEARCH_BEFORE_S)
    around = loudness[first - 1 : int(moment) + SEARCH_AFTER_S + 1]
    rises = np.nan_to_num(np.diff(around), nan=0.0)
    if not len(rises) or rises.max() < CLEAR_RISE_LU:
        return moment
    return float(first + int(np.argmax(rises)))


def _reaction_end(timeline: Timeline, reaction: int | None, moment: float) -> float:
    """When the chat has calmed to a third of its height, brought back by its lag; the moment itself without chat."""
    if reaction is None:
        return moment
    height = window_sums(timeline.columns["reaction"][reaction : reaction + int(MAX_LENGTH_S)], window_s=5)
    top = int(np.argmax(height[:WINDOW_S]))
    calm = np.nonzero(height[top:] < height[top] / 3)[0]
    length = top + int(calm[0]) if len(calm) else len(height)
    return reaction - timeline.chat_lag_s + float(length)


def _borders(
    timeline: Timeline, words: Words | None, start: float, end: float, moment: float
) -> tuple[float, float]:  # fmt: skip
    """Between sentences if words are known, else where the sound is quietest, near the wanted borders."""
    duration_s = timeline.duration_s
    if words is not None and len(words.sentence_starts):
        start = _nearest(words.sentence_starts, start, max(0.0, start - START_REACH_S), moment)
        end = _nearest(words.sentence_ends, end, max(moment + 2, end - 1.0), end + END_REACH_S)
    elif timeline.has_sound:
        start = _quietest(timeline, start, start - START_REACH_S, moment - 1)
        end = _quietest(timeline, end, end - 1, end + END_REACH_S)
    start = min(start, max(0.0, duration_s - MIN_LENGTH_S))
    end = min(max(end, start + MIN_LENGTH_S), start + MAX_LENGTH_S, duration_s)
    return start, end


def _nearest(borders: Floats, wanted: float, low: float, high: float) -> float:
    inside = borders[np.searchsorted(borders, low) : np.searchsorted(borders, high, side="right")]
    return float(inside[np.argmin(np.abs(inside - wanted))]) if len(inside) else wanted


def _quietest(timeline: Timeline, wanted: float, low: float, high: float) -> float:
    """The quietest second from low to high, `wanted` if none is clearly quieter than it."""
    first = max(0, int(np.ceil(low)))
    loudness = timeline.columns["loudness_lufs"][first : max(first, int(high)) + 1]
    if not len(loudness) or np.isnan(loudness).any():
        return wanted
    here = timeline.columns["loudness_lufs"][min(int(wanted), timeline.seconds - 1)]
    return float(first + int(np.argmin(loudness))) if loudness.min() < here - CLEAR_RISE_LU else wanted


def _without_overlap(moment: Moment, chosen: list[Moment]) -> Moment | None:
    """`moment` cut to the room between the chosen ones; None when that leaves too little or loses the moment."""
    start, end = moment.start_s, moment.end_s
    for other in chosen:
        if other.start_s < end and start < other.end_s:
            if other.peak_s <= moment.peak_s:
                start = max(start, other.end_s)
            else:
                end = min(end, other.start_s)
    if end - start < MIN_LENGTH_S or not start <= moment.peak_s <= end:
        return moment if (start, end) == (moment.start_s, moment.end_s) else None
    return Moment(**{**moment.__dict__, "start_s": start, "end_s": end})
