"""What verdicts change: the step away from the shipped weights, its bounds, and the ranking of a recording."""

import json
from pathlib import Path

import numpy as np
import pytest

from bench.bursts import Bursts, streamer_of
from bench.learning import cases, figures, gain_interval
from shared.feedback import Verdict, features_of
from tests.unit.analysis_made import LAUGHS, WOWS, burst, in_order, talk
from workers.analysis.chat_signals import chat_grid
from workers.analysis.features import FEATURES, features_at, shipped_vector, write_features
from workers.analysis.highlights import Found, find_highlights
from workers.analysis.learning import MAX_SHIFT, MAX_STEP, learned, retuned
from workers.analysis.scoring import SHARES, chat_log_odds, fuse, shipped_weights
from workers.analysis.timeline import Timeline, write_timeline

NAMES = ("laughs", "shouts")
SHIPPED = np.array([2.0, 2.0])


def verdict(good: bool, laughs: float, shouts: float = 0.2, names: tuple[str, ...] = NAMES) -> Verdict:
    return Verdict(good, names, (laughs, shouts))


def likes_laughter(count: int) -> list[Verdict]:
    """Half of them good: those with many laughs."""
    return [
        verdict(place % 2 == 0, 0.6 + 0.01 * place if place % 2 == 0 else 0.2 + 0.01 * place) for place in range(count)
    ]


def taught(verdicts: list[Verdict], shipped: np.ndarray = SHIPPED) -> np.ndarray:
    """The step that was learned."""
    tuning = learned(verdicts, shipped, names=NAMES)
    assert tuning is not None
    return tuning.step


# --- when -------------------------------------------------------------------------------------------------------------


def test_eight_verdicts_with_two_of_each_kind_are_enough() -> None:
    tuning = learned(likes_laughter(8), SHIPPED, names=NAMES)

    assert tuning is not None
    assert tuning.verdicts == 8


@pytest.mark.parametrize(
    "verdicts",
    [
        [],
        likes_laughter(7),
        [verdict(True, 0.1 * place) for place in range(20)],
        [verdict(place == 0, 0.1 * place) for place in range(20)],
        [verdict(place > 0, 0.1 * place) for place in range(20)],
        [one._replace(names=("laughs", "bits")) for one in likes_laughter(20)],
    ],
    ids=["none", "seven", "good only", "one good", "one bad", "of other features"],
)
def test_too_little_teaches_nothing(verdicts: list[Verdict]) -> None:
    assert learned(verdicts, SHIPPED, names=NAMES) is None


def test_verdicts_on_other_features_are_left_out() -> None:
    others = [one._replace(names=("laughs", "bits")) for one in likes_laughter(20)]

    tuning = learned([*others, *likes_laughter(10)], SHIPPED, names=NAMES)

    assert tuning is not None
    assert tuning.verdicts == 10
    assert (tuning.step == taught(likes_laughter(10))).all()


# --- what -------------------------------------------------------------------------------------------------------------


def test_what_is_liked_weighs_more_and_what_is_not_weighs_less() -> None:
    likes = taught(likes_laughter(20))
    dislikes = taught([one._replace(good=not one.good) for one in likes_laughter(20)])

    assert likes[0] > 0 > dislikes[0]
    assert [likes[1], dislikes[1]] == pytest.approx([0, 0])  # the shouts did not differ


def test_verdicts_that_the_shipped_weights_foretold_change_little() -> None:
    surprised, foretold = likes_laughter(20), likes_laughter(20)

    assert 0 < taught(foretold, np.array([30.0, 2.0]))[0] < taught(surprised, np.array([0.0, 2.0]))[0] / 10


def test_more_verdicts_move_it_further_but_never_beyond_the_bound() -> None:
    few, more, many = (taught(likes_laughter(8)), taught(likes_laughter(24)), taught(likes_laughter(24) * 20))
    spread = np.std([one.features[0] for one in likes_laughter(24)])

    assert 0 < few[0] < more[0] < many[0]
    assert np.linalg.norm(many * spread) == pytest.approx(MAX_STEP)


def test_the_same_verdicts_give_the_same_step_bit_for_bit() -> None:
    assert (taught(likes_laughter(30)) == taught(likes_laughter(30))).all()


@pytest.mark.parametrize("shipped", [0.0, 5.0, 500.0, -1e6])
def test_it_ends_at_a_finite_step_however_sure_the_shipped_weights_were(shipped: float) -> None:
    step = taught(likes_laughter(500), np.array([shipped, shipped]))

    assert np.isfinite(step).all()


def test_the_average_judged_highlight_keeps_its_score_and_no_other_moves_far() -> None:
    tuning = learned(likes_laughter(24) * 20, SHIPPED, names=NAMES)
    assert tuning is not None

    shift = tuning.shift(tuning.centre + np.array([[0, 0], [0.1, 0], [1e6, 0], [-1e6, 0]]))

    assert shift[0] == pytest.approx(0)
    assert 0 < shift[1] < MAX_SHIFT
    assert list(shift[2:]) == [MAX_SHIFT, -MAX_SHIFT]


# --- in the highlights stage ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def timeline() -> Timeline:
    """20 minutes with laughter at 295 s and shouts at 795 s, which the score puts first by a little."""
    shouts = tuple(text.upper() for text in WOWS)
    chat = in_order(talk(1200), burst(300, LAUGHS, count=40), burst(800, shouts, count=40))
    made = fuse(chat=chat_grid(chat, duration_s=1200), sound=None, words=None, duration_s=1200)
    made.columns["score"] = np.full(1200, 0.001)
    made.columns["score"][[295, 795]] = 0.55, 0.6
    return made


def judged(timeline: Timeline, *, count: int = 24) -> list[Verdict]:
    """As of somebody who likes the kind of moment at 295 s and not that at 795 s."""
    liked, disliked = (tuple(features_at(timeline, second)) for second in (295, 795))
    return [Verdict(place % 2 == 0, FEATURES, disliked if place % 2 else liked) for place in range(count)]


def find(timeline: Timeline, folder: Path, verdicts: list[Verdict]) -> Found:
    write_timeline(timeline, folder / "timeline.json")
    return find_highlights(
        timeline=folder / "timeline.json",
        chat=None,
        transcript=None,
        duration_s=timeline.duration_s,
        count=5,
        watch_url=None,
        verdicts=verdicts,
    )


def test_the_chats_log_odds_are_linear_in_the_features(timeline: Timeline) -> None:
    shares = {name: timeline.columns[f"{name}_share"] for name in SHARES}
    log_odds = chat_log_odds(**shares, weights=shipped_weights())

    by_features = [features_at(timeline, second) @ shipped_vector() for second in range(1200)]

    assert np.ptp(log_odds) > 1
    assert log_odds - shipped_weights().intercept == pytest.approx(np.array(by_features))


def test_verdicts_re_rank_the_moments_and_the_result_says_how_many(timeline: Timeline, tmp_path: Path) -> None:
    before, after = find(timeline, tmp_path, []), find(timeline, tmp_path, judged(timeline))

    assert (before.tuned_on, after.tuned_on) == (0, 24)
    assert [highlight.emotion for highlight in before.highlights] == ["excitement", "funny"]
    assert [highlight.emotion for highlight in after.highlights] == ["funny", "excitement"]
    assert after.highlights[0].score > 0.55
    assert find(timeline, tmp_path, judged(timeline, count=7)).tuned_on == 0


def test_without_chat_nothing_is_learned(timeline: Timeline, tmp_path: Path) -> None:
    silent = fuse(chat=None, sound=None, words=None, duration_s=1200)

    found = find(silent, tmp_path, judged(timeline))

    assert (found.tuned_on, found.features) == (0, {})


def test_the_features_of_each_highlight_are_written_by_rank(timeline: Timeline, tmp_path: Path) -> None:
    found = find(timeline, tmp_path, [])

    name = write_features(found.features, tmp_path)

    document = (tmp_path / name).read_bytes()
    assert set(json.loads(document)["highlights"]) == {str(h.rank) for h in found.highlights}
    first = features_of(document, 1)
    assert first is not None
    assert first.names == FEATURES
    assert first.values == pytest.approx(tuple(found.features[1]), abs=1e-4)
    assert features_of(document, 99) is None


def test_a_retuned_timeline_differs_in_its_score_only(timeline: Timeline) -> None:
    tuning = learned(judged(timeline), shipped_vector())
    assert tuning is not None

    moved = retuned(timeline, tuning)

    assert {name for name in moved.columns if moved.columns[name] is not timeline.columns[name]} == {"score"}
    assert ((moved.columns["score"] >= 0) & (moved.columns["score"] <= 1)).all()


# --- the measure ------------------------------------------------------------------------------------------------------


def bursts_of(streams: list[str], features: np.ndarray, labels: np.ndarray) -> Bursts:
    count = len(streams)
    return Bursts(
        streams=np.array(streams),
        groups=np.array([streamer_of(name) for name in streams]),
        watched=np.zeros(count, dtype=bool),
        labels=labels,
        features=features,
        rates=np.ones(count),
        lists=np.zeros(count),
        emotions=(None,) * count,
        digests=np.array(streams),
    )


def test_a_streamer_unlike_the_others_is_ranked_better_after_verdicts() -> None:
    # Given a streamer whose highlights are the shouts, in a world where they are the laughs
    random = np.random.default_rng(3)
    streams = [f"{name}{number}" for name in ("odd", "one", "two", "three") for number in (0, 1) for _ in range(30)]
    features = random.random((len(streams), len(FEATURES))) * [1, 1, *[0.1] * (len(FEATURES) - 2)]
    decides = np.where([name.startswith("odd") for name in streams], features[:, 1], features[:, 0])
    bursts = bursts_of(streams, features, (decides > 0.6).astype(float))

    each, together = (cases(bursts, verdicts=25, together=together) for together in (False, True))

    assert (len(each), len(together)) == (8, 8)
    odd = figures([case for case in each if case.streamer == "odd"])
    assert odd["taught"] == 2
    assert odd["AP after"] > odd["AP before"] + 0.03
    assert all(case.gain == 0 for case in each if not case.verdicts)
    low, high = gain_interval([case for case in each if case.streamer == "odd"])
    assert 0.03 < low <= odd["AP after"] - odd["AP before"] <= high
