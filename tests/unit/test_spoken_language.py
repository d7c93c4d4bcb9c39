"""How clear speech has to be to a model to be in its language, and where a recording is listened to."""

from dataclasses import dataclass
from itertools import pairwise

import pytest

from workers.transcription.language import Clarity, elected, joint, windows


@dataclass
class Stretch:
    start: float
    end: float
    avg_logprob: float
    compression_ratio: float


CLEAR = Stretch(0, 30, -0.3, 1.6)
UNSURE = Stretch(0, 30, -0.9, 1.6)
LOOPING = Stretch(0, 30, -0.1, 12.0)


def clarity(*stretches: Stretch) -> Clarity:
    return joint(Clarity(stretch.end - stretch.start).with_stretch(stretch) for stretch in stretches)


@pytest.mark.parametrize(
    ("stretches", "other"),
    [
        ((CLEAR, CLEAR), False),
        ((UNSURE, UNSURE), True),
        ((LOOPING, UNSURE), True),
        ((CLEAR, UNSURE), False),
        ((CLEAR, UNSURE, LOOPING), True),
        ((CLEAR, CLEAR, UNSURE, LOOPING), False),
        ((Stretch(0, 6, -1.2, 1.0),), False),
        ((), False),
    ],
    ids=["clear", "unsure", "looping", "half", "two of three", "half of four", "too short", "nothing"],
)
def test_mostly_unclear_speech_is_another_language(stretches: tuple[Stretch, ...], other: bool) -> None:
    assert clarity(*stretches).is_other_language == other


def test_speech_of_which_nothing_was_written_down_is_another_language() -> None:
    assert Clarity(spoken_s=60).is_other_language
    assert not Clarity(spoken_s=60).with_stretch(CLEAR).is_other_language


@pytest.mark.parametrize("duration_s", [5.0, 45.0, 601.0, 40_000.0])
def test_windows_lie_inside_the_recording_and_apart(duration_s: float) -> None:
    found = windows(duration_s)

    assert found[0][0] >= 0
    assert found[-1][1] <= duration_s
    assert all(end - start <= 30 for start, end in found)
    assert all(before[1] <= after[0] for before, after in pairwise(found))
    assert len(found) == min(8, max(1, int(duration_s // 30)))


@pytest.mark.parametrize(
    ("votes", "language"),
    [
        ([("es", 0.9), ("es", 0.8), ("en", 0.3)], "es"),
        ([("es", 0.9), ("en", 0.9)], None),
        ([("es", 0.5), ("es", 0.4)], None),
        ([("en", 0.9)], "en"),
        ([], None),
    ],
)
def test_a_language_is_elected_by_most_of_the_sure_windows(
    votes: list[tuple[str, float]], language: str | None
) -> None:
    assert elected(votes) == language
