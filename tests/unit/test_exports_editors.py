"""The timelines for editors, read back by readers that are not ours."""

from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import opentimelineio as otio
import pytest

from shared.files import EXPORTS, HIGHLIGHTS_CSV, MARKED
from shared.records import Video
from tests.highlights_made import highlight
from tests.unit.exports_made import (
    FETCHED,
    HOSTILE,
    HOURS,
    LOCAL,
    RATES,
    SPANS,
    Exports,
    Span,
    assert_within_a_frame,
    fcp7_spans,
    fcpxml_spans,
    highlights,
    mlt_spans,
    otio_spans,
    video,
)
from workers.exports.rates import FrameRate, broadcast_rate, whole_rate

BY_RATE = pytest.mark.parametrize("rate", RATES)
KNOWN_TO_EDL = tuple(name for name in RATES if name not in ("20", "14.985", "varying"))
EDITORS = ("edl", "fcpxml", "otio", "premiere", "mlt")


def made(folder: Path, rate: str, **more: Any) -> Exports:
    return Exports(folder, highlights(), video(RATES[rate], **more))


@BY_RATE
def test_the_edl_cuts_within_a_frame_four_hours_in(tmp_path: Path, rate: str) -> None:
    counted = broadcast_rate(FrameRate(RATES[rate])).exact
    exports = made(tmp_path, rate)

    read = exports.otio("edl", rate=float(counted))

    assert_within_a_frame(otio_spans(read, counted), counted)
    assert otio_spans(read, counted, kind="Audio") == otio_spans(read, counted)
    assert {track.name for track in read.tracks} == {"V", "A1", "A2"}


@BY_RATE
def test_opentimelineio_cuts_within_a_frame_four_hours_in(tmp_path: Path, rate: str) -> None:
    read = made(tmp_path, rate).otio("otio")

    assert {clip.source_range.start_time.rate for clip in read.find_clips()} == {float(RATES[rate])}
    assert_within_a_frame(otio_spans(read, RATES[rate]), RATES[rate])
    assert [track.kind for track in read.tracks] == ["Video", "Audio", "Audio"]
    assert otio_spans(read, RATES[rate], kind="Audio") == otio_spans(read, RATES[rate])


@BY_RATE
def test_fcpxml_cuts_within_a_frame_four_hours_in_on_whole_frames(tmp_path: Path, rate: str) -> None:
    root = made(tmp_path, rate).xml("fcpxml")

    exact = RATES[rate]
    (form,) = root.iter("format")
    assert form.get("frameDuration") == f"{exact.denominator}/{exact.numerator}s"
    assert_within_a_frame(fcpxml_spans(root), exact)
    times = [element.get(name) for element in root.iter() for name in ("start", "duration", "offset", "tcStart")]
    for time in filter(None, times):
        assert (Fraction(time[:-1]) * exact).denominator == 1, time


@pytest.mark.parametrize("rate", ["24", "25", "30", "50", "60"])
def test_fcpxml_is_read_by_opentimelineio(tmp_path: Path, rate: str) -> None:
    read = made(tmp_path, rate).otio("fcpxml")

    # Its times are read as floats and cut off, so a frame may be missing.
    assert_within_a_frame(otio_spans(read, RATES[rate]), RATES[rate])


@BY_RATE
def test_fcp7_xml_cuts_within_a_frame_four_hours_in(tmp_path: Path, rate: str) -> None:
    counted = whole_rate(FrameRate(RATES[rate])).exact
    exports = made(tmp_path, rate)

    read = exports.otio("premiere")

    assert_within_a_frame(fcp7_spans(exports.xml("premiere")), counted)
    assert_within_a_frame(otio_spans(read, counted), counted)
    # Two stereo tracks, each of two tracks of one channel, which belong together.
    assert [track.kind for track in read.tracks] == ["Video", "Audio", "Audio"]
    assert len(exports.xml("premiere").findall(".//sequence/media/audio/track")) == 4
    assert {clip.media_reference.target_url for clip in read.find_clips()} == {LOCAL.url}


@BY_RATE
def test_mlt_cuts_within_a_frame_four_hours_in(tmp_path: Path, rate: str) -> None:
    assert_within_a_frame(mlt_spans(made(tmp_path, rate).xml("mlt")), RATES[rate])


@pytest.mark.parametrize("rate", ["23.976", "25", "29.97", "59.94", "60"])
@pytest.mark.parametrize("start", ["10:00:00:00", "10:00:00;00", "01:02:03:04"])
def test_times_begin_at_the_recordings_own_timecode(tmp_path: Path, rate: str, start: str) -> None:
    exact = RATES[rate]
    drops = ";" in start and rate in ("29.97", "59.94")
    first = FrameRate(exact, drops).frame_of(start)
    exports = made(tmp_path, rate, start_timecode=start)

    moved = [(begin + first / exact, end + first / exact) for begin, end in SPANS]
    wanted = [(float(begin), float(end)) for begin, end in moved]
    assert_within_a_frame(otio_spans(exports.otio("edl", rate=float(exact)), exact), exact, wanted)
    assert_within_a_frame(otio_spans(exports.otio("otio"), exact), exact, wanted)
    assert_within_a_frame(otio_spans(exports.otio("premiere"), exact), exact, wanted)
    assert_within_a_frame(fcpxml_spans(exports.xml("fcpxml")), exact)
    assert_within_a_frame(mlt_spans(exports.xml("mlt")), exact)


def test_the_edl_names_the_timecode_of_a_recording_that_begins_at_ten(tmp_path: Path) -> None:
    exports = Exports(tmp_path, [highlight(1, 18.0, 20.0)], video(Fraction(25), start_timecode="10:00:00:00"))

    assert "10:00:18:00 10:00:20:00 00:00:00:00 00:00:02:00" in exports.text("edl")


def test_the_edl_says_whether_frame_numbers_are_dropped(tmp_path: Path) -> None:
    found = [highlight(1, 3600.0, 3610.0)]
    dropping = Exports(tmp_path / "df", found, video(RATES["29.97"])).text("edl")
    counting = Exports(tmp_path / "ndf", found, video(RATES["29.97"], start_timecode="00:00:00:00")).text("edl")

    assert "FCM: DROP FRAME\n" in dropping
    assert "01:00:00;00 01:00:10;00" in dropping
    assert "FCM: NON-DROP FRAME\n" in counting
    assert "00:59:56:12" in counting


def test_the_edl_keeps_time_and_says_so_where_it_does_not_know_the_rate(tmp_path: Path) -> None:
    text = Exports(tmp_path, [highlight(1, 18.5, 20.0)], video(Fraction(20), start_timecode="10:00:00:10")).text("edl")

    assert "10:00:19:00 10:00:20:12" in text
    assert "EDLs know no 20 frames a second: this one counts 24, open it at that rate." in text


def test_the_edls_locators_stand_in_record_time(tmp_path: Path) -> None:
    found = [highlight(2, 7200.0, 7210.0), highlight(1, 3600.0, 3606.0)]
    text = Exports(tmp_path, found, video(Fraction(25))).text("edl")

    locators = [line for line in text.splitlines() if line.startswith("* LOC: ")]
    assert locators == ["* LOC: 00:00:03:00 RED     #1 Moment (funny)", "* LOC: 00:00:11:00 RED     #2 Moment (funny)"]


def test_a_varying_rate_is_said_wherever_it_is_used(tmp_path: Path) -> None:
    exports = made(tmp_path, "varying", variable_frame_rate=True)

    for form in EDITORS:
        assert "rate varies; its average, 29.637 frames a second, is used." in exports.text(form), form


def test_an_unknown_rate_is_assumed_and_said(tmp_path: Path) -> None:
    exports = Exports(tmp_path, highlights(), Video(id="1", source="local", duration_seconds=HOURS + 600))

    assert "not known; 30 frames a second are assumed." in exports.text("edl")
    assert_within_a_frame(otio_spans(exports.otio("otio"), Fraction(30)), Fraction(30))


@pytest.mark.parametrize("form", EDITORS)
def test_the_recording_is_named_by_its_own_file(tmp_path: Path, form: str) -> None:
    local = Exports(tmp_path / "local", highlights(), video(Fraction(25))).text(form)
    fetched = Exports(tmp_path / "fetched", highlights(), video(Fraction(25)), FETCHED)

    assert ("/media/My stream.mp4" if form == "mlt" else LOCAL.url) in local
    assert "yt-dlp" not in local
    assert "video.mp4" not in local
    assert ("A [42].mp4" if form == "mlt" else FETCHED.url) in fetched.text(form)
    assert f"{FETCHED.fetch}" in fetched.text(form)


@pytest.mark.parametrize("form", ["otio", "premiere"])
def test_titles_of_all_kinds_come_back_whole(tmp_path: Path, form: str) -> None:
    found = [highlight(n, 100.0 * n, 100.0 * n + 9, title) for n, title in enumerate(HOSTILE, start=1)]
    read = Exports(tmp_path, found, video(Fraction(25))).otio(form)

    names = [clip.name for clip in next(iter(read.tracks)).find_clips()]

    assert names[0] == '#1 He said "no" --> & left <b> (funny)'
    assert names[1] == "#2 It's [over] now (funny)"
    assert names[3] == "#4 </name>]]>&amp;{\\an8} é 日本語 👩‍👩‍👧 (funny)"
    assert len(names[4]) == len("#5 long (funny)") + 5 * 199
    assert names[5] == "#6 Highlight (funny)"


@pytest.mark.parametrize("form", EDITORS)
@pytest.mark.parametrize("marked", [False, True])
def test_no_title_breaks_a_format(tmp_path: Path, form: str, marked: bool) -> None:
    found = [highlight(n, 100.0 * n, 100.0 * n + 9, title) for n, title in enumerate(HOSTILE, start=1)]
    exports = Exports(tmp_path, found, video(Fraction(25), title=HOSTILE[3] * 20), FETCHED)

    if form in ("edl", "otio", "premiere"):
        read = exports.otio(form, marked=marked, rate=25.0 if form == "edl" else None)
        assert len(read.tracks[0].find_clips()) == (1 if marked else len(HOSTILE))
    else:
        assert isinstance(exports.xml(form, marked=marked), ET.Element)


@pytest.mark.parametrize("form", MARKED)
def test_the_whole_recording_is_there_with_a_marker_over_each_highlight(tmp_path: Path, form: str) -> None:
    rate, exports = Fraction(25), made(tmp_path, "25", start_timecode="10:00:00:00")
    wanted = [FrameRate(rate).frames(start) for start, _ in sorted(SPANS)]
    first = 10 * 3600 * 25

    if form == "edl":
        locators = [line for line in exports.text(form, marked=True).splitlines() if "* LOC:" in line]
        found = [FrameRate(rate).frame_of(line.split()[2]) for line in locators]
    elif form == "otio":
        (clip,) = exports.otio(form, marked=True).video_tracks()[0].find_clips()
        found = [marker.marked_range.start_time.value - first for marker in clip.markers]
        assert [marker.marked_range.duration.value for marker in clip.markers][1] == 60 * 25
    elif form == "premiere":
        read = exports.otio(form, marked=True)
        found = [marker.marked_range.start_time.value for marker in read.tracks.markers]
    elif form == "fcpxml":
        root = exports.xml(form, marked=True)
        starts = [marker.get("start", "") for marker in root.iterfind(".//spine/asset-clip/marker")]
        found = [int(Fraction(start[:-1]) * rate) - first for start in starts]
    else:
        starts = [one.text or "" for one in exports.xml(form, marked=True).iterfind(".//property[@name='start']")]
        clocks = [start.split(":") for start in starts]
        found = [round((int(h) * 3600 + int(m) * 60 + Fraction(s)) * rate) for h, m, s in clocks]

    assert found == wanted


@pytest.mark.parametrize("form", EDITORS)
def test_no_highlights_give_files_that_can_still_be_read(tmp_path: Path, form: str) -> None:
    exports = Exports(tmp_path, [], Video(id="1", source="local", duration_seconds=10.0, frame_rate="25/1"))

    if form in ("edl", "otio", "premiere"):
        assert exports.otio(form, rate=25.0 if form == "edl" else None).find_clips() == []
    else:
        assert isinstance(exports.xml(form), ET.Element)


def test_a_recording_without_picture_gives_sound_on_the_timelines(tmp_path: Path) -> None:
    about = video(None, has_picture=False, width=None, height=None, audio_tracks=1)
    exports = Exports(tmp_path, highlights(), about)

    read = exports.otio("otio")
    assert "  AA    C  " in exports.text("edl")
    assert [track.kind for track in read.tracks] == ["Audio"]
    assert exports.xml("premiere").findall(".//video/track") == []
    assert [asset.get("hasVideo") for asset in exports.xml("fcpxml").iter("asset")] == [None]


def test_a_recording_of_countless_sound_tracks_gives_files_of_bounded_size(tmp_path: Path) -> None:
    found = [highlight(n, 100.0 * n, 100.0 * n + 9) for n in range(1, 6)]
    exports = Exports(tmp_path, found, video(Fraction(25), audio_tracks=5000, audio_channels=64))

    for form in EDITORS:
        assert exports.path(form).stat().st_size < 400_000 * len(found), form


def test_a_cut_stays_inside_the_recording_and_has_a_frame(tmp_path: Path) -> None:
    found = [highlight(1, 9.99, 9.995), highlight(2, 0.0, 0.001)]
    read = Exports(tmp_path, found, video(Fraction(25), duration_seconds=10.0)).otio("otio")

    assert otio_spans(read, Fraction(25)) == [
        Span(Fraction(0), Fraction(1, 25)),
        Span(Fraction(249, 25), Fraction(10)),
    ]


def test_every_file_is_named_in_the_table_and_is_there(tmp_path: Path) -> None:
    exports = made(tmp_path, "25")

    names = {HIGHLIGHTS_CSV.name, *(export.name for table in (EXPORTS, MARKED) for export in table.values())}
    assert set(exports.exported.files) == names
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")} == names
    assert otio.adapters.from_filepath(str(exports.path("otio"))) is not None


@pytest.mark.parametrize("rate", KNOWN_TO_EDL)
def test_the_edl_needs_no_comment_where_it_knows_the_rate(tmp_path: Path, rate: str) -> None:
    assert "EDLs know no" not in made(tmp_path, rate).text("edl")
