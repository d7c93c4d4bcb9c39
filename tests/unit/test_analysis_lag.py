"""The chat's delay behind the sound: measured, assumed, drifting, and a chat whose clock is wrong."""

import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from workers.analysis.chat_signals import chat_grid
from workers.analysis.lag import DEFAULT_LAG_S, Lag, assumed_lag, chat_lag
from workers.analysis.scoring import fuse
from workers.analysis.sound_signals import SoundGrid, sound_grid
from workers.analysis.stats import Floats
from workers.analysis.timeline import Timeline, read_timeline, write_timeline
from workers.chatlog import Comment

SAMPLES = Path(__file__).parents[2] / "samples"
SAMPLE_S = 190


def made(lag_s: int, *, seconds: int = 3600, then_s: int | None = None, seed: int = 7) -> tuple[Floats, Floats]:
    """Loudness with sudden sounds, and reactions `lag_s` later (`then_s` in the second half), among noise of both."""
    random = np.random.default_rng(seed)
    loudness = -30 + random.normal(0, 2, seconds)
    reactions = random.poisson(0.3, seconds).astype(float)
    for at in np.arange(60, seconds - 400, 150) + random.integers(0, 100, len(range(60, seconds - 400, 150))):
        lag = lag_s if then_s is None or at < seconds / 2 else then_s
        loudness[at : at + 4] += 12
        reactions[max(0, at + lag) : max(0, at + lag + 6)] += 6
    return loudness, reactions


@cache
def sample_sound() -> SoundGrid:
    return sound_grid(SAMPLES / "demo.mp4", duration_s=SAMPLE_S)


@cache
def sample_comments() -> tuple[Comment, ...]:
    listed = json.loads((SAMPLES / "demo_chat.json").read_text(encoding="utf-8"))["comments"]
    return tuple(
        Comment(one["_id"], one["content_offset_seconds"], one["commenter"]["name"], one["message"]["body"])
        for one in listed
    )


def analyzed(comments: Iterable[Comment], *, start: int = 0, end: int = SAMPLE_S) -> Timeline:
    """The sample's sound from `start` to `end` beside `comments`, whose times count from `start`."""
    inside = slice(start, end)
    sound = sample_sound()
    cut = sound._replace(loudness=sound.loudness[inside], brightness=sound.brightness[inside], voice=None)
    length = end - start
    return fuse(chat=chat_grid(comments, duration_s=length), sound=cut, words=None, duration_s=length)


def moved(comments: Iterable[Comment], by_s: float) -> list[Comment]:
    return [one._replace(offset_seconds=one.offset_seconds + by_s) for one in comments]


def clock_warnings(timeline: Timeline) -> list[str]:
    return [line for line in timeline.warnings if "chat_offset_seconds" in line]


@pytest.mark.parametrize("lag_s", [3, 8, 14])
def test_the_chats_delay_is_found_from_sound_and_reactions(lag_s: int) -> None:
    lag = chat_lag(*made(lag_s))
    assert lag.measured
    assert abs(lag.seconds - lag_s) <= 1
    assert lag.likely_offset_s is None


def test_a_delay_that_changes_is_followed_over_a_long_recording() -> None:
    # Given four hours in which the chat reacts after 4 s at first, after 9 s later
    lag = chat_lag(*made(4, seconds=4 * 3600, then_s=9))
    # Then every part has its own, and the one to name lies between
    assert lag.measured
    assert abs(int(lag.at[1800]) - 4) <= 1
    assert abs(int(lag.at[-1800]) - 9) <= 1
    assert 4 <= lag.seconds <= 9


def test_values_are_read_where_the_reaction_to_each_second_is_due() -> None:
    # Given a lag of 2 s that becomes 4 s, and a mark in every second
    lag = Lag(3, measured=True, at=np.array([2, 2, 2, 4, 4, 4]))
    # Then each second reads its own reaction, earlier by the lead, and nothing beyond the end
    marks = np.arange(1.0, 7.0)
    assert lag.due(marks).tolist() == [3, 4, 5, 0, 0, 0]
    assert lag.due(marks, lead_s=3).tolist() == [0, 1, 2, 5, 6, 0]


def test_a_delay_that_can_not_be_measured_is_the_default_and_says_so() -> None:
    # Given sound and reactions that have nothing to do with each other, or hardly any of them
    loudness, _ = made(5)
    unrelated = np.random.default_rng(8).poisson(0.5, len(loudness)).astype(float)
    unknown = np.full(len(loudness), np.nan)
    # Then the default is used and is not called measured
    for sound, chat in ((loudness, unrelated), (unknown, unrelated), (loudness, np.zeros(len(loudness)))):
        lag = chat_lag(sound, chat)
        assert (lag.seconds, lag.measured, lag.likely_offset_s) == (DEFAULT_LAG_S, False, None)
        assert set(lag.at.tolist()) == {DEFAULT_LAG_S}
        assert lag.warning is not None
        assert "assumed" in lag.warning
    assert assumed_lag(10).at.shape == (10,)


@pytest.mark.parametrize("seed", range(20))
def test_bursts_that_follow_no_sound_are_no_delay_and_no_wrong_clock(seed: int) -> None:
    # Given an hour of sound and an hour of bursts from another recording
    loudness, _ = made(5, seed=seed)
    _, others = made(5, seed=100 + seed)
    lag = chat_lag(loudness, others)
    assert lag.likely_offset_s is None


@pytest.mark.parametrize("moved_s", [-120, -40, 60, 240])
def test_a_chat_of_another_clock_is_noticed_in_an_hour(moved_s: int) -> None:
    lag = chat_lag(*made(DEFAULT_LAG_S + moved_s))
    assert not lag.measured
    assert lag.likely_offset_s is not None
    assert abs(lag.likely_offset_s + moved_s) <= 2


@pytest.mark.parametrize(("moved_s", "way"), [(45, "late"), (-45, "early"), (80, "late"), (-30, "early")])
def test_a_chat_of_another_clock_is_noticed_on_the_sample(moved_s: int, way: str) -> None:
    # When the sample's chat is moved
    timeline = analyzed(moved(sample_comments(), moved_s))
    # Then the offset that would set it right is named, and no delay is measured
    (warning,) = clock_warnings(timeline)
    named = re.search(r"seems to be (\d+) s (late|early): set `chat_offset_seconds` to (-?\d+)", warning)
    assert named is not None
    assert named[2] == way
    assert abs(int(named[3]) + moved_s) <= 2
    assert int(named[1]) == abs(int(named[3]))
    assert not timeline.chat_lag_measured


def test_the_samples_own_chat_has_its_delay(tmp_path: Path) -> None:
    # When the sample is analysed, and what was found written and read again
    write_timeline(analyzed(sample_comments()), tmp_path / "timeline.json")
    timeline = read_timeline(tmp_path / "timeline.json")
    # Then its delay stands there for the whole and for every second
    assert timeline.chat_lag_measured
    assert 5 <= timeline.chat_lag_s <= 6
    assert {timeline.lag_at(second) for second in (-1, 0, 100, SAMPLE_S)} == {timeline.chat_lag_s}
    assert not clock_warnings(timeline)


@pytest.mark.parametrize(("start", "end"), [(60, 190), (30, 160), (0, 130)])
def test_a_short_cut_has_the_samples_delay_or_none(start: int, end: int) -> None:
    # When two minutes are cut out, sound and chat alike
    later = [one for one in moved(sample_comments(), -start) if one.offset_seconds >= 0]
    timeline = analyzed(later, start=start, end=end)
    # Then no delay is made up, and no other clock
    assert 5 <= timeline.chat_lag_s <= 6
    assert not clock_warnings(timeline)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("what", ["times", "texts"])
def test_a_shuffled_chat_has_no_delay_and_no_other_clock(seed: int, what: str) -> None:
    # Given the sample's comments at times drawn evenly, or with each other's texts
    comments, random = sample_comments(), np.random.default_rng(seed)
    texts = [comments[place].text for place in random.permutation(len(comments))]
    times = np.sort(random.uniform(0, SAMPLE_S, len(comments)))
    shuffled = [
        one._replace(text=text, offset_seconds=float(time) if what == "times" else one.offset_seconds)
        for one, text, time in zip(comments, texts, times, strict=True)
    ]
    timeline = analyzed(shuffled)
    assert not timeline.chat_lag_measured
    assert not clock_warnings(timeline)
