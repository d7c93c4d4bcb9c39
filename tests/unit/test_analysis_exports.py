"""The export formats, each read back by a parser of its own."""

import csv
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest
import webvtt

from shared.files import EXPORTS
from workers.analysis.exports import write_exports

VIDEO = {"title": 'A & B\'s "long" stream', "duration_seconds": 7200.0}
SPANS = [(3661.5, 3690.25), (12.04, 30.0), (1800.0, 1860.0)]  # best first, not in order of time


def highlight(rank: int, start: float, end: float, title: str) -> dict[str, Any]:
    return {
        "rank": rank, "start_seconds": start, "end_seconds": end, "peak_seconds": start + 3, "score": 0.9 - rank / 10,
        "emotion": "funny", "title": title, "reasons": ["Chat 6.2 times its usual rate."], "transcript": "words, here",
        "chat_sample": ["LUL", "=cmd()"], "signals": {"chat_rate": 5.0}, "clip_url": None, "thumbnail_url": None,
        "watch_url": None,
    }  # fmt: skip


@pytest.fixture
def highlights() -> list[dict[str, Any]]:
    titles = ['He said "no" --> & left <b>', "It's [over]\nnow", "=HYPERLINK(1)"]
    return [highlight(n + 1, *span, title) for n, (span, title) in enumerate(zip(SPANS, titles, strict=True))]


@pytest.fixture
def exports(tmp_path: Path, highlights: list[dict[str, Any]]) -> Path:
    write_exports(highlights, video=VIDEO, into=tmp_path)
    return tmp_path / "exports"


def test_every_format_is_written_under_its_name(tmp_path: Path, highlights: list[dict[str, Any]]) -> None:
    names = write_exports(highlights, video=VIDEO, into=tmp_path)
    assert names == tuple(file.name for file in EXPORTS.values())
    assert all((tmp_path / name).is_file() for name in names)


def clips_of(timeline: otio.schema.Timeline) -> list[tuple[float, float]]:
    return [
        (clip.trimmed_range().start_time.to_seconds(), clip.trimmed_range().end_time_exclusive().to_seconds())
        for clip in timeline.find_clips()
    ]


@pytest.mark.parametrize(("name", "adapter"), [("otio", "otio_json"), ("edl", "cmx_3600"), ("fcpxml", "fcpx_xml")])
def test_an_editor_finds_every_highlight_at_its_time(exports: Path, name: str, adapter: str) -> None:
    # When the file is read back by OpenTimelineIO
    options = {"rate": 30} if adapter == "cmx_3600" else {}
    read = otio.adapters.read_from_file(str(exports / f"highlights.{name}"), adapter_name=adapter, **options)
    timeline = next(iter(read.find_children(descended_from_type=otio.schema.Timeline)), None) if (
        isinstance(read, otio.schema.SerializableCollection)
    ) else read  # fmt: skip
    assert timeline is not None
    # Then the clips stand in rank order with their times in the VOD, to a frame
    found = clips_of(timeline)
    assert len(found) == len(SPANS)
    for (start, end), (wanted_start, wanted_end) in zip(found, SPANS, strict=True):
        assert start == pytest.approx(wanted_start, abs=0.034)
        assert end == pytest.approx(wanted_end, abs=0.034)


def test_subtitles_are_read_back_by_a_parser_in_order_of_time(exports: Path) -> None:
    for captions in (webvtt.read(str(exports / "highlights.vtt")), webvtt.from_srt(str(exports / "highlights.srt"))):
        assert [caption.start_in_seconds for caption in captions.captions] == [12, 1800, 3661]
        assert captions[0].start == "00:00:12.040"
        assert captions[2].end == "01:01:30.250"
        assert len(captions[2].text.splitlines()) == 1


def test_chapters_are_in_the_form_youtube_reads(exports: Path) -> None:
    lines = (exports / "highlights.chapters.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "0:00 Start"
    assert [line.split(" ")[0] for line in lines] == ["0:00", "0:12", "30:00", "1:01:01"]


def test_the_csv_keeps_the_rank_and_runs_nothing_in_a_spreadsheet(exports: Path) -> None:
    with (exports / "highlights.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == ["1", "2", "3"]
    assert rows[2]["title"] == "'=HYPERLINK(1)"
    assert float(rows[0]["start_seconds"]) == 3661.5


def test_no_highlights_give_files_that_can_still_be_read(tmp_path: Path) -> None:
    write_exports([], video={"title": None}, into=tmp_path)
    read = otio.adapters.read_from_file(str(tmp_path / "exports/highlights.otio"), adapter_name="otio_json")
    assert clips_of(read) == []
    assert (tmp_path / "exports/highlights.vtt").read_text().startswith("WEBVTT")
