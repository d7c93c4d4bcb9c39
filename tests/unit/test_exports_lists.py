"""The table, the cues and the chapters, each read back by a parser of its own."""

import csv
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import webvtt

from shared.highlight import Highlight
from tests.highlights_made import highlight
from tests.unit.exports_made import HOSTILE, Exports, video

HOURS = 4 * 3600.0
SPANS = ((HOURS + 61.5, HOURS + 90.25), (12.04, 30.0), (1800.0, 1860.0))
SRT_CUE = re.compile(r"(\d+)\n(\d\d:\d\d:\d\d,\d{3}) --> (\d\d:\d\d:\d\d,\d{3})\n(\S[^\n]*)\n")


def hostile() -> list[Highlight]:
    return [highlight(n, 100.0 * n, 100.0 * n + 9, title) for n, title in enumerate(HOSTILE, start=1)]


def made(folder: Path, found: list[Highlight], **more: Any) -> Exports:
    return Exports(folder, found, video(None, **more))


@pytest.fixture
def exports(tmp_path: Path) -> Exports:
    titles = ['He said "no" --> & left <b>', "It's [over]\nnow", "=HYPERLINK(1)"]
    found = [highlight(n, *span, title) for n, (span, title) in enumerate(zip(SPANS, titles, strict=True), start=1)]
    return made(tmp_path, found)


def test_cues_are_read_back_by_a_parser_in_order_of_time(exports: Exports) -> None:
    for captions in (webvtt.read(str(exports.path("vtt"))), webvtt.from_srt(str(exports.path("srt")))):
        assert [caption.start_in_seconds for caption in captions.captions] == [12, 1800, 14461]
        assert captions[0].start == "00:00:12.040"
        assert captions[2].end == "04:01:30.250"
        assert len(captions[2].text.splitlines()) == 1


def test_srt_keeps_its_rules_whatever_titles_hold(tmp_path: Path) -> None:
    cues = made(tmp_path, hostile()).text("srt").split("\n\n")

    matches = [SRT_CUE.fullmatch(cue.rstrip("\n") + "\n") for cue in cues]
    assert [match and int(match[1]) for match in matches] == list(range(1, len(HOSTILE) + 1))
    assert all(match and match[2] < match[3] for match in matches)
    assert not any(match and re.search(r"[<>{}]|-->", match[4]) for match in matches)


def test_vtt_keeps_its_rules_whatever_titles_hold(tmp_path: Path) -> None:
    text = made(tmp_path, hostile()).text("vtt")

    header, *cues = text.rstrip("\n").split("\n\n")
    assert header == "WEBVTT"
    assert len(cues) == len(HOSTILE)
    for cue in cues:
        times, payload = cue.split("\n")
        assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} --> \d\d:\d\d:\d\d\.\d{3}", times)
        assert "<" not in payload
        assert "-->" not in payload
        assert re.sub(r"&(amp|lt|gt);", "", payload).count("&") == 0
    assert webvtt.read(str(tmp_path / "exports/highlights.vtt"))[4].text.startswith("#5 long long")


def test_a_cue_of_no_length_is_given_one(tmp_path: Path) -> None:
    assert "00:00:05,000 --> 00:00:05,001" in made(tmp_path, [highlight(1, 5.0, 5.0)]).text("srt")


def test_chapters_begin_at_0_in_the_form_youtube_reads(exports: Exports) -> None:
    lines = exports.text("chapters").splitlines()

    assert lines == [
        "0:00 Start",
        "0:12 It's [over] now",
        "30:00 =HYPERLINK(1)",
        '4:01:01 He said "no" --› & left ‹b›',
    ]


@pytest.mark.parametrize("starts", [(15, 19, 24, 29, 34, 39, 58), (3, 5, 14, 24, 33, 55), (10, 20, 30, 40, 50)])
def test_every_chapter_lasts_ten_seconds_the_last_one_too(tmp_path: Path, starts: tuple[int, ...]) -> None:
    found = [highlight(rank, start, start + 4.0, f"t{start}") for rank, start in enumerate(starts, start=1)]
    lines = made(tmp_path, found, duration_seconds=60.0).text("chapters").splitlines()

    begins = [int(line[2:4]) for line in lines]
    assert begins[0] == 0
    assert len(begins) >= 3
    assert all(later - sooner >= 10 for sooner, later in zip(begins, [*begins[1:], 60], strict=True))


def test_of_two_chapters_too_near_the_better_one_stays(tmp_path: Path) -> None:
    found = [
        highlight(2, 100.0, 104.0, "worse"),
        highlight(1, 105.0, 110.0, "better"),
        highlight(3, 200.0, 210.0, "far"),
    ]

    assert made(tmp_path, found).text("chapters") == "0:00 Start\n1:45 better\n3:20 far\n"


def test_a_highlight_at_the_beginning_is_the_first_chapter(tmp_path: Path) -> None:
    found = [highlight(n, 4.0 + 60 * n, 30.0 + 60 * n, f"t{n}") for n in range(3)]

    assert made(tmp_path, found).text("chapters").splitlines()[0] == "0:00 t0"


def test_chapter_titles_are_short_and_hold_no_angle_brackets(tmp_path: Path) -> None:
    lines = made(tmp_path, hostile()).text("chapters").splitlines()

    titles = [line.partition(" ")[2] for line in lines]
    assert len(titles) == len(HOSTILE) + 1
    assert all(0 < len(title) <= 100 for title in titles)
    assert not any(set(title) & set("<>") for title in titles)


@pytest.mark.parametrize("starts", [(), (100.0,), (100.0, 105.0), (100.0, 596.0)])
def test_too_few_chapters_are_told_and_not_written(tmp_path: Path, starts: tuple[float, ...]) -> None:
    found = [highlight(rank, start, start + 4) for rank, start in enumerate(starts, start=1)]
    exports = made(tmp_path, found, duration_seconds=600.0)

    assert not exports.path("chapters").exists()
    assert exports.path("chapters").name not in {name.rpartition("/")[2] for name in exports.exported.files}
    (warning,) = exports.exported.warnings
    assert "at least three" in warning


def test_the_table_opens_as_utf8_and_runs_nothing(tmp_path: Path) -> None:
    found = [highlight(n, 10.0 * n, 10.0 * n + 5, title) for n, title in enumerate((*HOSTILE, "é", "＝1", "-1", ""))]
    path = made(tmp_path, found).path("csv")

    assert path.read_bytes().startswith("\ufeffrank,start_seconds".encode())
    table = pd.read_csv(path, encoding="utf-8", keep_default_na=False)
    assert list(table["rank"]) == list(range(len(found)))
    assert list(table["title"])[2] == "'=HYPERLINK(1)"
    assert list(table["title"])[-4:] == ["é", "'＝1", "'-1", ""]
    assert list(table["start_seconds"])[1] == 10.0
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert not any(cell[:1] in ("=", "+", "@", "\t", "\r", "\n") for row in rows for cell in row.values() if cell)
