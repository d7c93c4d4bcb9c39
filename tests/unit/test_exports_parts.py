"""Exports of a recording in several files name each file, and cut at its own times."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.highlights_made import highlight
from tests.unit.exports_made import Exports, video
from workers.exports import Media

FIRST, SECOND, THIRD = (Media(name=f"night {n}.mkv", url=f"file:///media/night%20{n}.mkv") for n in (1, 2, 3))
JOINED = Media(name=FIRST.name, url=FIRST.url, parts=(FIRST, SECOND, THIRD))
PARTS = (
    {"file_name": FIRST.name, "begins_at_seconds": 0.0, "duration_seconds": 100.0, "start_timecode": None},
    {"file_name": SECOND.name, "begins_at_seconds": 100.0, "duration_seconds": 50.0, "start_timecode": "01:00:00:00"},
    {"file_name": THIRD.name, "begins_at_seconds": 150.0, "duration_seconds": 30.0, "start_timecode": None},
)
# In a file each, and one over a joint: the file's URL, where in the file it begins and how long it is, in seconds.
FOUND = [highlight(1, 10.0, 20.0), highlight(2, 110.0, 118.0), highlight(3, 145.0, 155.0)]
WANTED = [(FIRST.url, 10, 10), (SECOND.url, 10, 8), (SECOND.url, 45, 5), (THIRD.url, 0, 5)]
WHOLE = [(FIRST.url, 0, 100), (SECOND.url, 0, 50), (THIRD.url, 0, 30)]
HOUR_S = 3600  # the second file's timecode


@pytest.fixture
def exports(tmp_path: Path) -> Exports:
    about = video(Fraction(25), duration_seconds=180.0, parts=PARTS)
    return Exports(tmp_path, FOUND, about, media=JOINED)


def cuts(timeline: Any) -> list[tuple[str, float, float]]:
    """The clips of the picture as OpenTimelineIO reads them, by the time in their file's timecode."""
    track = next(track for track in timeline.tracks if track.kind == "Video")
    found = []
    for clip in track.find_clips():
        span, url = clip.trimmed_range(), clip.media_reference.target_url
        start_s = span.start_time.to_seconds() - (HOUR_S if url == SECOND.url else 0)
        found.append((url, start_s, span.duration.to_seconds()))
    return found


@pytest.mark.parametrize("form", ["otio", "edl"])
def test_each_clip_is_cut_from_its_file(exports: Exports, form: str) -> None:
    assert cuts(exports.otio(form)) == WANTED
    assert cuts(exports.otio(form, marked=True)) == WHOLE


def test_final_cut_has_an_asset_for_each_file(exports: Exports) -> None:
    root = exports.xml("fcpxml")
    urls = {asset.get("id"): asset.find("media-rep").get("src") for asset in root.iter("asset")}  # type: ignore[union-attr]

    clips = [(urls[clip.get("ref")], clip.get("start"), clip.get("duration")) for clip in root.iter("asset-clip")]
    assert list(urls.values()) == [FIRST.url, SECOND.url, THIRD.url]
    assert clips == [
        (FIRST.url, "10s", "10s"), (SECOND.url, "3610s", "8s"), (SECOND.url, "3645s", "5s"), (THIRD.url, "0s", "5s"),
    ]  # fmt: skip


def test_premiere_has_a_file_for_each_part(exports: Exports) -> None:
    root = exports.xml("premiere")
    urls = {file.get("id"): file.findtext("pathurl") for file in root.iter("file") if file.find("pathurl") is not None}

    items = root.findall("project/children/sequence/media/video/track/clipitem")
    assert [(urls[item.find("file").get("id")], item.findtext("in"), item.findtext("out")) for item in items] == [  # type: ignore[union-attr]
        (url, str(start * 25), str((start + seconds) * 25)) for url, start, seconds in WANTED
    ]


def test_shotcut_has_a_producer_for_each_part(exports: Exports) -> None:
    root = exports.xml("mlt")
    paths = {one.get("id"): one.findtext("property[@name='resource']") for one in root.iterfind("producer")}

    assert [(paths[one.get("producer")], one.get("in"), one.get("out")) for one in root.iterfind("playlist/entry")] == [
        (f"/media/{Path(url).name.replace('%20', ' ')}", str(start * 25), str((start + seconds) * 25 - 1))
        for url, start, seconds in WANTED
    ]


def test_markers_lie_where_their_moment_is(exports: Exports) -> None:
    timeline = exports.otio("otio", marked=True)
    track = next(track for track in timeline.tracks if track.kind == "Video")

    marked = [[marker.marked_range.start_time.to_seconds() for marker in clip.markers] for clip in track.find_clips()]
    assert marked == [[10], [HOUR_S + 10, HOUR_S + 45], []]
