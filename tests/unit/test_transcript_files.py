"""The files of a transcript hold its words, whatever was said."""

import csv
import json
from pathlib import Path

import pytest

from workers.transcription.transcript import Transcript, Word, transcript_of, write_files

FILES = ("transcript.json", "words.csv", "paragraphs.csv", "captions.srt", "captions.vtt")


def transcript(*words: Word, language: str | None = "en", duration_s: float = 1000.0) -> Transcript:
    return transcript_of(
        words, language=language, provider="whisper", model="m", duration_seconds=duration_s, cost_estimate_usd=0.0
    )


def spoken(text: str, *, start: float = 0.0, each_s: float = 0.5) -> list[Word]:
    return [Word(word, start + i * each_s, start + (i + 1) * each_s, 0.9) for i, word in enumerate(text.split())]


def test_words_are_put_in_order_and_inside_the_recording() -> None:
    made = transcript(
        Word(" late ", 5.0, 99.0, 0.123456),
        Word("back", 2.0, 1.0, None),
        Word("  ", 3.0, 4.0, 0.5),
        Word("early", -1.0, 0.5, 1.0),
        duration_s=10.0,
    )

    assert made.words == (
        Word("early", 0.0, 0.5, 1.0),
        Word("back", 2.0, 2.0, None),
        Word("late", 5.0, 10.0, 0.1235),
    )
    assert made.text == "early back late"
    assert made.confidence == pytest.approx(0.5617, abs=1e-3)


def test_paragraphs_break_at_pauses_and_full_sentences() -> None:
    first = spoken("one two three.")
    second = spoken("four five", start=4.0)
    third = spoken(" ".join(["word"] * 64 + ["end."] + ["more"] * 3), start=20.0)

    made = transcript(*first, *second, *third)

    assert [paragraph.text.split()[-1] for paragraph in made.paragraphs] == ["three.", "five", "end.", "more"]
    assert (made.paragraphs[0].start, made.paragraphs[0].end) == (0.0, 1.5)
    assert " ".join(paragraph.text for paragraph in made.paragraphs) == made.text


def test_languages_without_spaces_are_joined_without() -> None:
    assert transcript(Word("你", 0, 1, None), Word("好。", 1, 2, None), language="zh").text == "你好。"


def test_no_words_give_empty_files_and_no_language(tmp_path: Path) -> None:
    made = transcript()

    assert write_files(made, tmp_path) == FILES
    assert json.loads((tmp_path / "transcript.json").read_text()) == {
        "language": None,
        "provider": "whisper",
        "model": "m",
        "duration_seconds": 1000.0,
        "confidence": None,
        "cost_estimate_usd": 0.0,
        "text": "",
        "words": [],
        "paragraphs": [],
    }
    assert (tmp_path / "words.csv").read_text() == "word,start_time,end_time,confidence\n"
    assert (tmp_path / "captions.vtt").read_text() == "WEBVTT\n\n"
    assert (tmp_path / "captions.srt").read_text() == ""


def test_json_and_csv_hold_the_same_words(tmp_path: Path) -> None:
    said = ["=1+1", "+49", "-5", "@all", 'quo"te', "com,ma", "Zoë", "<b>", "😀", "\ud83d"]
    made = transcript(*(Word(word, i, i + 0.5, None if i % 2 else 0.75) for i, word in enumerate(said)))

    write_files(made, tmp_path)

    expected = [word.replace("\ud83d", "?") for word in said]
    document = json.loads((tmp_path / "transcript.json").read_text())
    assert [word["word"] for word in document["words"]] == expected
    with (tmp_path / "words.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["word"] for row in rows] == expected
    assert (rows[1]["start_time"], rows[1]["end_time"], rows[1]["confidence"]) == ("1.0", "1.5", "")
    assert rows[0]["confidence"] == "0.75"
    with (tmp_path / "paragraphs.csv").open(newline="") as file:
        assert [row["text"] for row in csv.DictReader(file)] == [" ".join(expected)]


def test_cells_that_look_like_formulas_are_quoted(tmp_path: Path) -> None:
    write_files(transcript(Word("=HYPERLINK(1)", 0, 1, None)), tmp_path)

    assert '\n"=HYPERLINK(1)",0.0,1.0,""\n' in (tmp_path / "words.csv").read_text()


def test_the_same_transcript_gives_the_same_bytes(tmp_path: Path) -> None:
    made = transcript(*spoken("the same words every time."))
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        write_files(made, tmp_path / folder)

    for name in FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_summary_is_what_the_result_document_shows() -> None:
    assert transcript(*spoken("two words")).summary() == {
        "language": "en",
        "words": 2,
        "confidence": 0.9,
        "provider": "whisper",
        "cost_estimate_usd": 0.0,
    }
