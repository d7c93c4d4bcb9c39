"""How long after a moment the chat reacts, and whether the chat belongs to this recording's clock at all.

Every burst of the chat is held against the sound some seconds before. Where the bursts follow unusual rises of the
sound more often than chance allows, by a delay that people can have, that is the delay; it is measured again in pieces
of a long recording. Where they do so by any other delay, the chat's times are off.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from workers.analysis.sound_evidence import loudness_rises
from workers.analysis.stats import Floats, Ints, count_z, rises, window_sums

DEFAULT_LAG_S = 5
MAX_LAG_S = 25
MAX_OFFSET_S = 300
PIECE_S = 1800
_EXPECTED_S = (1, 20)  # hand-measured on a small stream, published for large ones
_LEAST_S = 90  # of sound and chat over each other, to compare them at all
_LEAST_SHARE = 0.5  # of the recording
_LEAST_BURSTS = 2  # one burst finds some sound before it at every delay
_DRIFT_S = 8  # a piece whose delay differs by more from the whole recording's is not believed

# Minus natural logarithms of the probability of unrelated sound and chat to agree so well.
_LAG_EVIDENCE = 6.0  # over the 20 delays that can be: seen by chance in one recording of 50
_OFFSET_EVIDENCE = 13.0  # over 601 delays: one of 1000
_SHORT_S = 600  # holds too few bursts for that: a hint is given when nothing else fits nearly as well
_SHORT_EVIDENCE = 4.0
_ABOVE_NEXT = 1.3

_BURST_Z = 4.0
_BURST_S = 8
_APART_S = 12  # bursts closer than this are one
_SAME_S = 8  # delays closer than this are one


@dataclass(frozen=True, eq=False)
class Lag:
    """seconds: the delay to name.  measured: found in this stream, or the default.  at: shape (seconds,), the delay for
    each second of the recording.  likely_offset_s: the `chat_offset_seconds` that would probably set the chat right,
    None where nothing speaks for a wrong clock.
    """

    seconds: int
    measured: bool
    at: Ints
    likely_offset_s: int | None = None

    def due(self, values: Floats, *, lead_s: int = 0) -> Floats:
        """`values` (per second of the chat) read where the reaction to each second begins, `lead_s` earlier.

        Shape (seconds,) in and out; 0 beyond the recording.
        """
        read = np.arange(len(values)) + self.at - lead_s
        inside = (read >= 0) & (read < len(values))
        return np.where(inside, values[np.clip(read, 0, len(values) - 1)], 0.0)

    @property
    def warning(self) -> str | None:
        """What the user should hear about it."""
        if self.likely_offset_s is not None:
            way = "late" if self.likely_offset_s < 0 else "early"
            return (
                f"The chat seems to be {abs(self.likely_offset_s)} s {way}: set `chat_offset_seconds` to "
                f"{self.likely_offset_s}, or add that to it if it is set. A delay of {self.seconds} s is assumed."
            )
        return None if self.measured else f"The chat's delay could not be measured: {self.seconds} s is assumed."


def assumed_lag(seconds: int, *, likely_offset_s: int | None = None) -> Lag:
    """The delay of a recording of `seconds` where nothing can be measured."""
    return Lag(DEFAULT_LAG_S, False, np.full(seconds, DEFAULT_LAG_S), likely_offset_s)


def chat_lag(loudness: Floats, reactions: Floats) -> Lag:
    """The lag of `reactions` (mass a second) behind `loudness` (LUFS, NaN where unknown), both per second."""
    seconds = len(loudness)
    if (~np.isnan(loudness)).sum() < _LEAST_S or not reactions.any():
        return assumed_lag(seconds)
    surprise, bursts = _surprise(loudness), _bursts(reactions)
    whole = _agreement(surprise, bursts, min(MAX_OFFSET_S, seconds - 1))
    best = _delay(whole)
    if best is None:
        return assumed_lag(seconds, likely_offset_s=_wrong_clock(whole, seconds))
    at = _piecewise(surprise, bursts, best)
    return Lag(int(np.median(at)), measured=True, at=at)


class _Agreement(NamedTuple):
    """evidence: minus log probability that unrelated series agree so well at each of `lags` (whole seconds)."""

    lags: NDArray[np.int64]
    evidence: Floats


def _delay(found: _Agreement) -> int | None:
    """The lag that people can have, unless too little speaks for it or another is clearly better."""
    can_be = (found.lags >= 0) & (found.lags <= MAX_LAG_S)
    best = int(found.lags[can_be][found.evidence[can_be].argmax()])
    height = found.evidence[can_be].max()
    enough = height >= max(_LAG_EVIDENCE, found.evidence.max() / _ABOVE_NEXT)
    return best if enough and _EXPECTED_S[0] <= best <= _EXPECTED_S[1] else None


def _wrong_clock(found: _Agreement, seconds: int) -> int | None:
    """The offset that brings the one clear peak to the usual delay."""
    best = int(found.lags[found.evidence.argmax()])
    elsewhere = np.abs(found.lags - best) > _SAME_S
    needed = _SHORT_EVIDENCE if seconds <= _SHORT_S else _OFFSET_EVIDENCE
    next_best = found.evidence[elsewhere].max(initial=0.0)
    if 0 <= best <= MAX_LAG_S or found.evidence.max() < max(needed, _ABOVE_NEXT * next_best):
        return None
    return DEFAULT_LAG_S - best


def _piecewise(surprise: Floats, bursts: Ints, usual: int) -> Ints:
    """The lag of every second: from the hour around each half hour, between two of these in a line."""
    seconds = len(surprise)
    middles, found = [], []
    for middle in range(PIECE_S, seconds - PIECE_S // 2, PIECE_S):
        first, end = middle - PIECE_S, min(middle + PIECE_S, seconds)
        inside = bursts[(bursts >= first) & (bursts < end)] - first
        lags, evidence = _agreement(surprise[first:end], inside, MAX_LAG_S)
        near = np.abs(lags - usual) <= _DRIFT_S
        if evidence[near].max() >= _LAG_EVIDENCE:
            middles.append(middle)
            found.append(int(lags[near][evidence[near].argmax()]))
    if not found:
        return np.full(seconds, usual)
    return np.rint(np.interp(np.arange(seconds), middles, found)).astype(np.int64)


def _agreement(surprise: Floats, bursts: Ints, most_s: int) -> _Agreement:
    """Fisher's combined test of the sound's tail probabilities `lag` seconds before every burst."""
    seconds = len(surprise)
    lags = np.arange(-most_s, most_s + 1)
    at = bursts[None, :] - lags[:, None]
    inside = (at >= 0) & (at < seconds)
    total = np.where(inside, surprise[np.clip(at, 0, seconds - 1)], 0.0).sum(axis=1)
    counts = inside.sum(axis=1)
    evidence = -_log_gamma_tail(counts, total)
    too_few = (counts < _LEAST_BURSTS) | (seconds - np.abs(lags) < max(_LEAST_S, seconds * _LEAST_SHARE))
    evidence[too_few] = 0.0
    return _Agreement(lags, np.convolve(evidence, (0.25, 0.5, 0.25), "same"))


def _log_gamma_tail(counts: Ints, total: Floats) -> Floats:
    """log P(sum of `counts` standard exponentials >= `total`); shape (lags,)."""
    powers = np.arange(max(1, int(counts.max(initial=0))))
    terms = powers * np.log(np.maximum(total, 1e-12))[:, None] - np.cumsum(np.log(np.maximum(powers, 1)))
    terms[powers >= np.maximum(counts, 1)[:, None]] = -np.inf
    highest = terms.max(axis=1)
    logs = highest + np.log(np.exp(terms - highest[:, None]).sum(axis=1)) - total
    return np.asarray(np.minimum(logs, 0.0))


def _surprise(loudness: Floats) -> Floats:
    """Minus log share of the seconds with at least as much of a rise; within a second of it, since bursts blur."""
    rise = sliding_window_view(np.pad(loudness_rises(loudness, after_s=4, before_s=8), 1), 3).max(axis=1)
    return np.asarray(-np.log(1.0 - np.searchsorted(np.sort(rise), rise, side="left") / len(rise)))


def _bursts(reactions: Floats) -> Ints:
    """The seconds in which the chat breaks out: where reactions rise most, far over their surroundings."""
    z = count_z(window_sums(reactions, window_s=_BURST_S))
    near = sliding_window_view(np.pad(z, 3, mode="edge"), 7).max(axis=1)
    rise = np.where(near >= _BURST_Z, rises(np.sqrt(reactions), after_s=5, before_s=10), 0.0)
    highest = sliding_window_view(np.pad(rise, _APART_S), 2 * _APART_S + 1).max(axis=1)
    tops = np.flatnonzero((rise > 0) & (rise == highest))
    return tops[np.diff(tops, prepend=-_APART_S - 1) > _APART_S]
