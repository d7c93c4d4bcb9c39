"""Each export read by a reader that is not ours: begin and end of its pieces in seconds of the recording."""

import csv
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path

import opentimelineio as otio
import webvtt
from lxml import etree

Span = tuple[float, float]


def _table(path: Path) -> list[Span]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [(float(row["start_seconds"]), float(row["end_seconds"])) for row in csv.DictReader(file)]


def _cues(path: Path) -> list[Span]:
    cues = webvtt.from_srt(str(path)) if path.suffix == ".srt" else webvtt.read(str(path))
    return [(_clock(cue.start), _clock(cue.end)) for cue in cues.captions]


def _clock(text: str) -> float:
    hours, minutes, seconds = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def chapter_begins(text: str) -> list[int]:
    """The seconds that YouTube would begin its chapters at."""
    clocks = [line.split(" ")[0].split(":") for line in text.splitlines()]
    return [sum(int(part) * 60**place for place, part in enumerate(reversed(clock))) for clock in clocks]


def _otio(path: Path, *, adapter: str, **options: float) -> list[Span]:
    timeline = otio.adapters.read_from_file(str(path), adapter_name=adapter, **options)
    ranges = [clip.trimmed_range() for clip in timeline.video_tracks()[0].find_clips()]
    return [(one.start_time.to_seconds(), one.end_time_exclusive().to_seconds()) for one in ranges]


def _fcpxml(path: Path) -> list[Span]:
    spans = []
    for clip in etree.parse(str(path)).iterfind(".//spine/asset-clip"):
        start, length = (Fraction(clip.get(name).removesuffix("s")) for name in ("start", "duration"))
        spans.append((float(start), float(start + length)))
    return spans


def _mlt(path: Path) -> list[Span]:
    root = etree.parse(str(path)).getroot()
    profile = root.find("profile")
    rate = Fraction(int(profile.get("frame_rate_num")), int(profile.get("frame_rate_den")))
    entries = root.iterfind("playlist/entry")
    return [(float(int(one.get("in")) / rate), float((int(one.get("out")) + 1) / rate)) for one in entries]


READERS: dict[str, Callable[[Path], list[Span]]] = {
    "csv": _table,
    "srt": _cues,
    "vtt": _cues,
    "edl": partial(_otio, adapter="cmx_3600", rate=24.0),  # the next one after the sample's 20
    "fcpxml": _fcpxml,
    "otio": partial(_otio, adapter="otio_json"),
    "premiere": partial(_otio, adapter="fcp_xml"),
    "mlt": _mlt,
}
