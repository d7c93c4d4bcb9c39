"""Moments in many languages and in none, and crowds that are no moment: whole made-up chats, the product's path."""

from pathlib import Path

import pytest

from tests.unit.analysis_made import write_chat
from tests.unit.chat_phrases import CALM, MOMENTS
from tests.unit.chats_made import BESIDE, CROWDS, RATES, SURE, Place, calm, find, moment, placed, shuffled, together
from workers.analysis.chat_signals import chat_grid
from workers.analysis.highlights import find_highlights
from workers.analysis.scoring import fuse
from workers.analysis.timeline import write_timeline
from workers.chatlog import Comment

MINUTES = 40
DURATION_S = MINUTES * 60.0
MOMENT_AT, CROWD_AT = 1500.0, 700.0
SURE_RATE, PLAINLY = 2.0, 1.5
_talks: dict[tuple[str, float], list[Comment]] = {}


def talk(language: str, rate: float) -> list[Comment]:
    """Calm talk, made once."""
    if (language, rate) not in _talks:
        _talks[language, rate] = calm(language, rate=rate, minutes=MINUTES)
    return _talks[language, rate]


def clear(place: Place, rate: float) -> bool:
    """Whether the moment is first and stands out; forty people among eighty who talk on then are not sure."""
    return place.rank == 1 and place.score > (SURE if rate <= SURE_RATE else PLAINLY * place.rival)


def with_moment(name: str, rate: float) -> list[Comment]:
    language, texts = MOMENTS[name]
    return together(talk(language, rate), moment(texts, at=MOMENT_AT))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("name", MOMENTS)
def test_a_moment_is_first_in_any_language_and_in_none(name: str, rate: float) -> None:
    # Given calm talk and forty people who laugh or shout within ten seconds
    comments = with_moment(name, rate)
    # When highlights are looked for
    place = placed(find(comments, duration_s=DURATION_S), MOMENT_AT)
    # Then that is the first
    assert clear(place, rate)


def test_a_moment_is_found_in_a_language_of_few_sentences() -> None:
    # Given talk that repeats fifteen sentences for two hours
    pool = [sentence for place in range(960) for sentence in [CALM["Thai"][place % 15]]]
    repeated = [
        Comment(str(place), 7.5 * place, f"viewer{place * 31 % 400}", sentence) for place, sentence in enumerate(pool)
    ]
    # When a moment stands in it
    found = find(together(repeated, moment(("5555", "555555"), at=3000)), duration_s=7200)
    # Then it is the first and nothing else is sure
    place = placed(found, 3000)
    assert place.rank == 1
    assert place.score > SURE > place.rival


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("crowd", CROWDS)
def test_a_crowd_three_times_as_large_does_not_lead(crowd: str, beside: str, rate: float) -> None:
    # Given a moment, and a crowd of three times as many messages elsewhere
    comments = together(with_moment(beside, rate), CROWDS[crowd](CROWD_AT))
    # When highlights are looked for, then the moment is the first
    place = placed(find(comments, duration_s=DURATION_S), MOMENT_AT)
    assert clear(place, rate)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("crowd", CROWDS)
def test_a_crowd_alone_is_no_moment(crowd: str, rate: float) -> None:
    found = find(together(talk("English", rate), CROWDS[crowd](CROWD_AT)), duration_s=DURATION_S)
    assert all(one.score <= SURE for one in found)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("language", CALM)
def test_calm_talk_has_no_moment(language: str, rate: float) -> None:
    found = find(talk(language, rate), duration_s=DURATION_S)
    assert all(one.score <= SURE for one in found)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("name", BESIDE)
def test_a_shuffled_chat_has_no_moment(name: str, rate: float) -> None:
    # Given the messages of a chat with a moment, each at the time of another
    found = find(shuffled(with_moment(name, rate)), duration_s=DURATION_S)
    # Then nothing in it is one
    assert all(one.score <= SURE for one in found)


@pytest.mark.parametrize("share", [0.2, 0.8])
def test_steady_laughter_has_no_moment(share: float) -> None:
    # Given a chat that laughs all the time
    found = find(calm("English", rate=2, minutes=MINUTES, reacting=share), duration_s=DURATION_S)
    # Then no part of it is a moment
    assert all(one.score <= SURE for one in found)


@pytest.mark.parametrize("rate", RATES)
def test_calm_talk_gets_no_invented_emotion_or_title(rate: float, tmp_path: Path) -> None:
    # Given talk without a single reaction
    comments = calm("English", rate=rate, minutes=MINUTES, reacting=0.0)
    grid = chat_grid(comments, duration_s=DURATION_S)
    timeline = tmp_path / "timeline.json"
    write_timeline(fuse(chat=grid, sound=None, words=None, duration_s=DURATION_S), timeline)
    # When highlights are asked for all the same
    found = find_highlights(
        timeline=timeline,
        chat=write_chat(tmp_path / "chat.jsonl", comments),
        transcript=None,
        duration_s=DURATION_S,
        count=5,
        watch_url=None,
    )
    # Then none claims an emotion, and none takes somebody's small talk for its title
    assert all(one.emotion is None for one in found.highlights)
    assert not any('"' in (one.title or "") for one in found.highlights)


def test_the_same_chat_gives_the_same_highlights_bit_for_bit() -> None:
    comments = with_moment("Made-up words", 2.0)
    assert find(comments, duration_s=DURATION_S) == find(list(comments), duration_s=DURATION_S)
