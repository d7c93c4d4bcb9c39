"""Highlights hours into a recording, their exports, and what independent readers find in them."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

import opentimelineio as otio

from shared.files import EXPORTS, MARKED, File
from shared.highlight import Highlight
from shared.records import Video
from tests.highlights_made import highlight
from workers.exports import Exported, Media, write_exports

HOURS = 4 * 3600.0
SPANS = ((HOURS + 61.517, HOURS + 90.25), (12.04, 30.0), (HOURS, HOURS + 0.9), (1800.0, 1860.0))  # best first
RATES = {
    "23.976": Fraction(24000, 1001),
    "24": Fraction(24),
    "25": Fraction(25),
    "29.97": Fraction(30000, 1001),
    "30": Fraction(30),
    "50": Fraction(50),
    "59.94": Fraction(60000, 1001),
    "60": Fraction(60),
    "20": Fraction(20),
    "14.985": Fraction(15000, 1001),
    "varying": Fraction(29_637, 1000),
}
HOSTILE = (
    'He said "no" --> & left <b>', "It's [over]\nnow", "=HYPERLINK(1)",
    "</name>]]>&amp;{\\an8}\u202e\x07 é 日本語 👩‍👩‍👧",
    "long " * 200, "", "* FROM CLIP NAME: other.mp4", "001  AX AA/V C 00:00:00:00 00:00:01:00 00:00:00:00 00:00:01:00",
)  # fmt: skip
LOCAL = Media(name="My stream.mp4", url="file:///media/My%20stream.mp4")
FETCHED = Media(name="A [42].mp4", url="A%20%5B42%5D.mp4", fetch="yt-dlp -o 'A [42].mp4' https://twitch.example/42")


class Span(NamedTuple):
    """Seconds of the recording, counted from its beginning."""

    start: Fraction
    end: Fraction


def highlights() -> list[Highlight]:
    return [highlight(rank, *span) for rank, span in enumerate(SPANS, start=1)]


def video(rate: Fraction | None, **more: object) -> Video:
    about = {
        "id": "1", "source": "local", "title": 'A & B\'s "long" stream', "duration_seconds": HOURS + 600.0,
        "width": 1920, "height": 1080, "frame_rate": rate and f"{rate.numerator}/{rate.denominator}",
        "variable_frame_rate": False, "has_picture": True, "audio_tracks": 2, "audio_channels": 2, "audio_rate": 48_000,
    }  # fmt: skip
    return Video.of(about | more)


class Exports:
    """What was written into a folder."""

    def __init__(self, folder: Path, found: Sequence[Highlight], about: Video | None, media: Media = LOCAL) -> None:
        self.folder = folder
        self.exported: Exported = write_exports(found, video=about, media=media, into=folder)

    def path(self, form: str, *, marked: bool = False) -> Path:
        table: dict[str, File] = MARKED if marked else EXPORTS
        return self.folder / table[form].name

    def text(self, form: str, *, marked: bool = False) -> str:
        return self.path(form, marked=marked).read_text(encoding="utf-8")

    def xml(self, form: str, *, marked: bool = False) -> ET.Element:
        return ET.parse(self.path(form, marked=marked)).getroot()

    def otio(self, form: str, *, marked: bool = False, rate: float | None = None) -> Any:
        """As OpenTimelineIO's adapter for the format reads it."""
        adapter = {"otio": "otio_json", "edl": "cmx_3600", "premiere": "fcp_xml", "fcpxml": "fcpx_xml"}[form]
        path = str(self.path(form, marked=marked))
        read = otio.adapters.read_from_file(path, adapter_name=adapter, **({"rate": rate} if rate else {}))
        if isinstance(read, otio.schema.SerializableCollection):
            (read,) = read.find_children(descended_from_type=otio.schema.Timeline)
        return read


def otio_spans(timeline: Any, exact: Fraction, *, kind: str = "Video") -> list[Span]:
    """The clips of a kind's first track in seconds of their media's timecode. Frames are taken at the exact rate."""
    track = next(track for track in timeline.tracks if track.kind == kind)
    ranges = [clip.trimmed_range() for clip in track.find_clips()]
    return [Span(round(one.start_time.value) / exact, round(one.end_time_exclusive().value) / exact) for one in ranges]


def fcpxml_seconds(text: str | None) -> Fraction:
    assert text is not None
    assert text.endswith("s")
    return Fraction(text[:-1])


def fcpxml_spans(root: ET.Element) -> list[Span]:
    """The clips of the spine in seconds of the asset."""
    (asset,) = root.iter("asset")
    first = fcpxml_seconds(asset.get("start"))
    found = []
    for clip in root.iterfind(".//spine/asset-clip"):
        start = fcpxml_seconds(clip.get("start")) - first
        found.append(Span(start, start + fcpxml_seconds(clip.get("duration"))))
    return found


def mlt_spans(root: ET.Element) -> list[Span]:
    """The playlist's entries in seconds of the file, by MLT's rules: both ends included."""
    (profile,) = root.iterfind("profile")
    rate = Fraction(int(profile.get("frame_rate_num", "")), int(profile.get("frame_rate_den", "")))
    entries = root.iterfind("playlist/entry")
    return [Span(int(one.get("in", "")) / rate, (int(one.get("out", "")) + 1) / rate) for one in entries]


def fcp7_spans(root: ET.Element) -> list[Span]:
    """The clips of the first video track in seconds of the file."""
    (timebase,) = root.iterfind("project/children/sequence/rate/timebase")
    (ntsc,) = root.iterfind("project/children/sequence/rate/ntsc")
    rate = Fraction(int(timebase.text or "")) * (Fraction(1000, 1001) if ntsc.text == "TRUE" else 1)
    items = root.iterfind("project/children/sequence/media/video/track[1]/clipitem")
    return [Span(int(one.findtext("in", "")) / rate, int(one.findtext("out", "")) / rate) for one in items]


def assert_within_a_frame(found: Sequence[Span], rate: Fraction, spans: Sequence[tuple[float, float]] = SPANS) -> None:
    """The clips are `spans` by time, each end at most a frame off."""
    wanted = sorted(spans)
    assert len(found) == len(wanted)
    for (start, end), (wanted_start, wanted_end) in zip(found, wanted, strict=True):
        assert abs(start - Fraction(wanted_start)) <= 1 / rate
        assert abs(end - Fraction(wanted_end)) <= 1 / rate
