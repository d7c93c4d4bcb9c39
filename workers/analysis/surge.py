"""Is something happening: how many more people write than usual, whatever they write.

People, not messages, so that one who writes ten times is one; in windows of several lengths, because a jump scare
lasts five seconds and a story half a minute; and only as far as it is sure, so that four people in a sleepy chat weigh
less than four hundred in a large one.
"""

import numpy as np

from workers.analysis.stats import Floats, Ints, sure_log_ratio, surroundings

WINDOWS_S = (5, 15, 30)
MAIN_S = 15  # the window that reasons speak of
UNSURE_PEOPLE = 1.0
ERRORS = 2.0
SURROUNDINGS_S = 600
REACTING_SHARE = 0.15
REACTING_DISCOUNT = 0.5  # everyone writing more says more than some changing what they write


def people(at: Ints, user: Ints, value: Floats, *, window_s: int, seconds: int) -> Floats:
    """How many different people write in [t, t + window_s), each counted with the value of their first comment there.

    at: second of every comment.  value: 0-1.  Result: shape (seconds,).
    """
    order = np.lexsort((at, user))
    same = np.concatenate(([False], user[order][1:] == user[order][:-1]))
    before = np.concatenate(([-1], at[order][:-1]))
    previous = np.empty(len(at), dtype=np.int64)
    previous[order] = np.where(same, before, -1)
    # A comment is its writer's first in the windows that begin after the one before it.
    low = np.maximum(at - window_s + 1, previous + 1).clip(min=0)
    counted = low <= at
    change = np.bincount(low[counted], weights=value[counted], minlength=seconds + 1)[: seconds + 1]
    change -= np.bincount(at[counted] + 1, weights=value[counted], minlength=seconds + 1)[: seconds + 1]
    # Sums of differences of fractions leave crumbs where nobody writes.
    return np.asarray(np.round(np.cumsum(change)[:seconds], 6) + 0.0, dtype=np.float64)


def surge(people: dict[int, Floats], reacting: dict[int, Floats]) -> Floats:
    """How surely more people write than usual, or, where many talk on, how surely more react.

    people, reacting: window length in s to how many in [t, t + length), shape (seconds,).
    Result: mean over the windows of the sure log ratio, natural logarithm, at the second the shortest window begins.
    """
    shortest = min(people)
    total = np.zeros((2, len(people[shortest])))
    for window_s, everyone in people.items():
        usual, usually_reacting = usual_count(everyone), usual_count(reacting[window_s])
        all_of_them = sure_log_ratio(everyone, usual, unsure=UNSURE_PEOPLE, errors=ERRORS)
        # Against a share of the talk: three who laugh among a hundred who talk are no surge.
        unsure = UNSURE_PEOPLE + REACTING_SHARE * usual
        of_reactions = sure_log_ratio(reacting[window_s], usually_reacting, unsure=unsure, errors=ERRORS)
        early = (window_s - shortest) // 2
        total += np.stack([_later(all_of_them, early), _later(of_reactions, early)])
    mean = total / len(people)
    return np.asarray(np.maximum(mean[0], mean[1] - REACTING_DISCOUNT))


def usual_count(counts: Floats) -> Floats:
    """What is usual around each second: the median of ten minutes.

    Of a shorter recording a lower quantile, since one moment may be half of it.  Shape (seconds,) in and out.
    """
    if len(counts) >= SURROUNDINGS_S:
        return surroundings(counts, window_s=SURROUNDINGS_S)[0]
    return np.full(len(counts), float(np.quantile(counts, 0.5 * len(counts) / SURROUNDINGS_S)))


def _later(values: Floats, by_s: int) -> Floats:
    return np.concatenate((np.full(by_s, values[0]), values[: len(values) - by_s]))[: len(values)]
