"""The two stages on small made-up recordings: files, summaries, highlights, and what a missing signal changes."""

import csv
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.emotions import EMOTIONS
from shared.errors import UnsupportedFormat
from shared.highlight import as_dicts
from shared.progress import silent
from tests.unit.analysis_made import (
    LAUGHS,
    RATE,
    WOWS,
    burst,
    comment,
    in_order,
    sine,
    talk,
    write_chat,
    write_transcript,
    write_wav,
)  # fmt: skip
from workers.analysis.borders import Borders
from workers.analysis.chat_signals import chat_grid
from workers.analysis.highlights import Found, find_highlights, write_highlight_files
from workers.analysis.recording import Analysis, analyze_recording
from workers.analysis.scoring import fuse
from workers.analysis.segments import COLUMNS, windows
from workers.analysis.selection import select
from workers.analysis.timeline import read_timeline
from workers.chatlog import Comment

DURATION_S = 900
LAUGH_AT, WOW_AT, LAG_S = 300, 600, 6


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """15 minutes with a funny and a great moment, each with a loud sound, words before it and a late chat."""
    folder = tmp_path_factory.mktemp("made")
    samples = sine(DURATION_S, level=0.02)
    for at in (LAUGH_AT, WOW_AT):
        samples[at * RATE : (at + 4) * RATE] *= 20
    write_wav(folder / "audio.wav", samples)
    greetings = burst(20, ("hello", "hi", "hey everyone", "hello!"), count=60)
    poll = burst(450, ("1", "2", "yes", "no"), count=60)
    reactions = (burst(LAUGH_AT + LAG_S, LAUGHS), burst(WOW_AT + LAG_S, WOWS))
    named = [comment(LAUGH_AT + LAG_S + 2.0, "@secretname lmao what a fall", "otherviewer")]
    named += [comment(LAUGH_AT + LAG_S + 3.0, "otherviewer lol you were right", "viewer1")]
    named += [comment(LAUGH_AT + LAG_S + 3.5, "stop spamming symbols lol", "Nightbot")]
    write_chat(folder / "chat.jsonl", in_order(talk(DURATION_S), greetings, poll, named, *reactions))
    sentences = [(at + 0.2, "We walk along the river.") for at in range(4, DURATION_S - 10, 12)]
    sentences += [(LAUGH_AT - 1.5, "Watch out for the goat."), (WOW_AT - 1.5, "One last hit now.")]
    write_transcript(folder / "transcript.json", sorted(sentences))
    return folder


def analyze(made: Path, into: Path, *, chat: bool = True, words: bool = True) -> tuple[Analysis, Found]:
    logs = made / "chat.jsonl" if chat else None
    said = made / "transcript.json" if words else None
    analysis = analyze_recording(
        chat=logs, audio=made / "audio.wav", transcript=said, duration_s=DURATION_S, into=into, progress=silent
    )
    found = find_highlights(
        timeline=into / "timeline.json",
        chat=logs,
        transcript=said,
        duration_s=DURATION_S,
        count=5,
        watch_url="https://www.twitch.tv/videos/1",
    )
    return analysis, found


def test_the_moments_are_found_with_their_emotion_and_start_before_the_chat_reacts(made: Path, tmp_path: Path) -> None:
    # When the recording is analysed
    analysis, found = analyze(made, tmp_path)
    # Then the two moments lead, greetings and the poll do not, and each tells its moment from its beginning
    best = sorted(found.highlights[:2], key=lambda one: one.start_seconds)
    assert [one.emotion for one in best] == ["funny", "excitement"]
    for one, moment in zip(best, (LAUGH_AT, WOW_AT), strict=True):
        assert moment - 40 <= one.start_seconds <= moment - 3
        assert abs(one.peak_seconds - moment) <= 2
        assert one.end_seconds > moment + 4
        assert one.score > 0.5
    assert all(one.score < 0.5 for one in found.highlights[2:])
    assert abs((analysis.summary.chat_lag_seconds or 0) - LAG_S) <= 1
    assert analysis.warnings == ()


def test_every_highlight_says_why_with_numbers_and_shows_no_names(made: Path, tmp_path: Path) -> None:
    _, found = analyze(made, tmp_path)
    funny = next(one for one in found.highlights if one.emotion == "funny")
    assert any("% of the messages laughing" in line for line in funny.reasons)
    assert any("times as many people as usual" in line for line in funny.reasons)
    assert any("LU louder" in line for line in funny.reasons)
    assert "goat" in (funny.title or "")
    assert "goat" in (funny.transcript or "")
    assert funny.chat_sample
    assert not any(word in json.dumps(as_dicts(found.highlights)) for word in ("secretname", "otherviewer", "spamming"))
    assert funny.watch_url == f"https://www.twitch.tv/videos/1?t={int(funny.start_seconds)}s"
    assert funny.signals["reactions"] > 4
    assert funny.clip_url is funny.thumbnail_url is None


def test_the_files_hold_what_the_contract_says(made: Path, tmp_path: Path) -> None:
    analysis, found = analyze(made, tmp_path)
    names = write_highlight_files(found, timeline=tmp_path / "timeline.json", title="<b>A & B</b> $x$", into=tmp_path)
    assert analysis.files == ("timeline.json", "waveform.json", "segments.csv")
    assert all((tmp_path / name).stat().st_size for name in (*analysis.files, *names))
    waveform = json.loads((tmp_path / "waveform.json").read_text())
    assert len(waveform) == 20_000
    assert all(0 <= value <= 1 for value in waveform)
    timeline = json.loads((tmp_path / "timeline.json").read_text())
    expected = {"messages", "chatters", *EMOTIONS, "loudness_lufs", "speech_rate", "score"}
    assert expected <= timeline["columns"].keys()
    assert {len(values) for values in timeline["columns"].values()} == {DURATION_S}
    svg = (tmp_path / "timeline.svg").read_text(encoding="utf-8")
    assert "<b>" not in svg
    assert svg.count("<svg") == 1


def test_segments_cover_the_recording_to_its_end(made: Path, tmp_path: Path) -> None:
    analyze(made, tmp_path)
    with (tmp_path / "segments.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert float(rows[-1]["end_time"]) == DURATION_S
    assert {float(b["start_time"]) - float(a["start_time"]) for a, b in pairwise(rows)} == {30.0}
    loud = max(rows, key=lambda row: float(row["chat_funny"]))
    assert abs(float(loud["start_time"]) - LAUGH_AT) <= 60
    shares = [float(loud[f"chat_{name}"]) for name in (*EMOTIONS, "neutral")]
    assert sum(shares) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(("duration", "expected"), [(10, 1), (60, 1), (61, 2), (90, 2), (91, 3), (3600, 119)])
def test_a_short_recording_gives_one_segment(duration: float, expected: int) -> None:
    spans = windows(duration)
    assert len(spans) == expected
    assert spans[-1][1] == duration


@pytest.mark.parametrize(("chat", "words"), [(False, True), (True, False), (False, False)])
def test_what_is_missing_is_null_and_said(made: Path, tmp_path: Path, chat: bool, words: bool) -> None:
    # When chat or words are taken away
    analysis, found = analyze(made, tmp_path, chat=chat, words=words)
    # Then nothing of theirs is invented, a warning says so, and the loud moments are still found
    summary, columns = analysis.summary, json.loads((tmp_path / "timeline.json").read_text())["columns"]
    if not chat:
        assert summary.chat is None is summary.sentiment.chat
        assert summary.chat_lag_seconds is None
        assert "messages" not in columns
        assert all(one.chat_sample is None for one in found.highlights)
        assert any("no chat" in line for line in found.warnings)
    if not words:
        assert summary.words_per_second is None
        assert "speech_rate" not in columns
        assert all(one.transcript is None for one in found.highlights)
        assert any("no words" in line for line in found.warnings)
    if not chat and not words:
        assert summary.emotions is None
    starts = [one.start_seconds for one in found.highlights[:2]]
    assert sorted(round(start / 300) for start in starts) == [1, 2]


def test_an_empty_chat_counts_as_none(made: Path, tmp_path: Path) -> None:
    empty = write_chat(tmp_path / "empty.jsonl", [])
    analysis = analyze_recording(
        chat=empty, audio=made / "audio.wav", transcript=None, duration_s=DURATION_S, into=tmp_path, progress=silent
    )
    assert analysis.summary.chat is None
    assert any("no chat" in line for line in analysis.warnings)


def test_the_same_input_gives_the_same_bytes(made: Path, tmp_path: Path) -> None:
    contents = []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        _, found = analyze(made, folder)
        write_highlight_files(found, timeline=folder / "timeline.json", title="T", into=folder)
        contents.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert contents[0] == contents[1]


def test_progress_rises_to_one(made: Path, tmp_path: Path) -> None:
    told: list[float] = []
    analyze_recording(
        chat=made / "chat.jsonl", audio=made / "audio.wav", transcript=None, duration_s=DURATION_S, into=tmp_path,
        progress=told.append,
    )  # fmt: skip
    assert told == sorted(told)
    assert told[-1] == 1.0


@pytest.mark.parametrize("duration", [0, -5, float("nan"), 1e9])
def test_a_length_that_makes_no_sense_is_refused(made: Path, tmp_path: Path, duration: float) -> None:
    with pytest.raises(UnsupportedFormat):
        analyze_recording(
            chat=None, audio=made / "audio.wav", transcript=None, duration_s=duration, into=tmp_path, progress=silent
        )


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"columns": {}}', '{"words": 3}', '{"words": [{"word": "a"}]}', "null"]
)
def test_broken_intermediate_files_are_refused_with_a_typed_error(tmp_path: Path, text: str) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text(text)
    with pytest.raises(UnsupportedFormat):
        read_timeline(broken)
    with pytest.raises(UnsupportedFormat):
        find_highlights(timeline=broken, chat=None, transcript=broken, duration_s=10, count=3, watch_url=None)


def scores(comments: list[Comment], duration_s: float) -> list[float]:
    grid = chat_grid(comments, duration_s=duration_s)
    return [one.score for one in select(fuse(chat=grid, sound=None, words=None, duration_s=duration_s), None, count=20)]


def test_a_chat_without_moments_has_no_highlight_that_is_sure() -> None:
    # Given an hour of talk and single reactions at random seconds
    random = np.random.default_rng(4)
    noise = [
        comment(float(at), (LAUGHS + WOWS)[int(random.integers(14))], f"u{int(random.integers(300))}")
        for at in random.random(1200) * 3600
    ]
    # Then nothing scores over 0.5
    assert max(scores(in_order(talk(3600), noise), 3600), default=0) <= 0.5


def test_greetings_polls_and_pasted_text_score_far_below_laughter() -> None:
    base = talk(3600)
    laughter = max(scores(in_order(base, burst(1800, LAUGHS)), 3600))
    for crowd in (("hello", "hi", "heyy"), ("yes", "no", "1", "2"), ("!join", "!play")):
        assert max(scores(in_order(base, burst(1800, crowd, count=80)), 3600), default=0) < 0.2 < laughter


_MOMENTS = st.lists(st.tuples(st.integers(0, 1190), st.integers(3, 40), st.booleans()), max_size=12)


@given(_MOMENTS, st.integers(1, 30))
@settings(max_examples=25, deadline=None)
def test_highlights_never_overlap_and_hold_their_moment(moments: list[tuple[int, int, bool]], count: int) -> None:
    # Given bursts anywhere, near each other and at the ends too
    bursts = [burst(at, LAUGHS if funny else WOWS, count=size) for at, size, funny in moments]
    grid = chat_grid(in_order(talk(1200), *bursts), duration_s=1200)
    # When highlights are chosen
    found = select(fuse(chat=grid, sound=None, words=None, duration_s=1200), None, count=count)
    # Then they are ranked, in bounds, apart, and each holds its moment
    assert len(found) <= count
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    for one in found:
        assert 0 <= one.start_s <= one.peak_s <= one.end_s <= 1200
        assert Borders.MIN_LENGTH_S - 0.01 <= one.end_s - one.start_s <= Borders.MAX_LENGTH_S + 0.01
    spans: list[Any] = sorted((one.start_s, one.end_s) for one in found)
    assert all(after[0] >= before[1] for before, after in pairwise(spans))
