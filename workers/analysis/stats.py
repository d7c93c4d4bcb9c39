"""Small statistics on a 1 s grid: moving sums and how unusual a second is against its surroundings."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_NORMAL_MAD = 1.4826  # a normal distribution's standard deviation over its MAD


def window_sums(values: Floats | Ints, *, window_s: int) -> Floats:
    """Sum over [t, t + window_s) for every second t; shape (seconds,) in and out; beyond the end counts as 0."""
    total = np.concatenate(([0.0], np.cumsum(values, dtype=np.float64)))
    ends = np.minimum(np.arange(len(values)) + window_s, len(values))
    return total[ends] - total[:-1]


def shifted(values: Floats, by_s: int, *, fill: float = 0.0) -> Floats:
    """`values` read `by_s` seconds later (negative: earlier)."""
    if not by_s:
        return values.copy()
    moved = np.full_like(values, fill)
    if by_s > 0:
        moved[:-by_s] = values[by_s:]
    else:
        moved[-by_s:] = values[:by_s]
    return moved


def surroundings(values: Floats, *, window_s: int = 600) -> tuple[Floats, Floats]:
    """Median and robust standard deviation around each second, over `window_s` seconds sampled evenly.

    values: shape (seconds,), may hold NaN.  Both results have the same shape.  The window is cut at the ends.
    Source: Leys et al. 2013, doi:10.1016/j.jesp.2013.03.013 (median and MAD).  Raises ValueError on an empty array.
    """
    if not len(values):
        raise ValueError("no seconds")
    step = max(1, window_s // 60)
    half = window_s // step // 2
    points = values[::step]
    padded = np.pad(points, (half, half), constant_values=np.nan)
    medians, spreads = np.empty(len(points)), np.empty(len(points))
    for start in range(0, len(points), 2048):
        rows = sliding_window_view(padded[start : start + 2048 + 2 * half], 2 * half + 1)[: len(points) - start]
        middle, spread = _median_and_mad(rows)
        medians[start : start + len(rows)], spreads[start : start + len(rows)] = middle, spread
    at = np.arange(len(values))
    known = np.arange(len(points)) * step
    return np.interp(at, known, medians), np.interp(at, known, spreads) * _NORMAL_MAD


def _median_and_mad(rows: Floats) -> tuple[Floats, Floats]:
    empty = np.asarray(np.isnan(rows).all(axis=1))
    safe = np.where(empty[:, None], 0.0, rows)
    middle = np.nanmedian(safe, axis=1)
    return middle, np.nanmedian(np.abs(safe - middle[:, None]), axis=1)


def robust_z(values: Floats, *, window_s: int = 600, floor: float = 0.0) -> Floats:
    """How unusual each second is: robust standard deviations above its surroundings.

    floor: the smallest standard deviation believed, in the unit of `values`.  0 where the surroundings are constant.
    """
    middle, spread = surroundings(values, window_s=window_s)
    spread = np.maximum(spread, floor)
    return np.where(spread > 0, (values - middle) / np.where(spread > 0, spread, 1.0), 0.0)


def sure_log_ratio(counts: Floats, usual: Floats, *, unsure: float | Floats, errors: float) -> Floats:
    """Logarithm of how many times the usual a count is at least: the ratio less `errors` of its standard errors.

    unsure: added to both, so that few of nothing is not a large ratio.  A count's relative error is one over its square
    root (Poisson), so four where one is usual say less than four hundred where a hundred are.
    """
    return np.log((counts + unsure) / (usual + unsure)) - errors / np.sqrt(counts + unsure)


def sigmoid(values: Floats) -> Floats:
    """1 / (1 + e^-x), element by element; no overflow."""
    return 1.0 / (1.0 + np.exp(-np.clip(values, -40.0, 40.0)))


def count_z(counts: Floats) -> Floats:
    """How unusual a count is: robust, and never believed to vary less than random arrivals do.

    Square roots make the spread of random arrivals the same at every rate (Anscombe 1948, doi:10.2307/2332343).
    """
    usual, spread = surroundings(counts)
    more_than_random = np.sqrt(np.maximum(1.0, spread**2 / (usual + 1.0)))
    return 2.0 * (np.sqrt(counts + 0.375) - np.sqrt(usual + 0.375)) / more_than_random


def ratio(total: Floats, count: Floats) -> Floats:
    """Total over count, NaN where there is none to count."""
    return np.where(count > 0, total / np.maximum(count, 1e-9), np.nan)


def median_known(rows: Floats) -> Floats:
    """Median of each row's known values, NaN where it has none; rows: shape (count, values), may hold NaN."""
    unknown = np.asarray(np.isnan(rows).all(axis=1))
    return np.where(unknown, np.nan, np.nanmedian(np.where(unknown[:, None], 0.0, rows), axis=1))


def rises(values: Floats, *, after_s: int, before_s: int) -> Floats:
    """How much the mean of the next seconds is above that of the seconds before; falls are 0.  Shape (seconds,)."""
    total = np.concatenate(([0.0], np.cumsum(values)))
    at = np.arange(len(values))
    end, first = np.minimum(at + after_s, len(values)), np.maximum(at - before_s, 0)
    rise = (total[end] - total[at]) / (end - at) - (total[at] - total[first]) / np.maximum(at - first, 1)
    rise[:before_s] = 0.0
    return np.asarray(np.maximum(rise, 0.0))
