"""The highlights in the forms that video platforms and editors read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import opentimelineio as otio

from shared.files import EXPORTS
from workers.analysis.highlights_csv import write_csv

RATE = 30  # frames a second of the editors' timelines; whole, so that seconds fall on frames
CHAPTER_APART_S = 10  # YouTube: at least three chapters, each 10 s or longer, the first at 0:00
# The FCPXML adapter looks clips up by name in an XPath, which these characters would break.
_SAFE_QUOTES = str.maketrans({"'": "’", '"': "”", "[": "(", "]": ")"})
Highlights = list[dict[str, Any]]
Video = dict[str, Any]


def write_exports(highlights: Highlights, *, video: Video, into: Path) -> tuple[str, ...]:
    """One file per format of `shared.files.EXPORTS`, below `into`; returns their names."""
    for form, file in EXPORTS.items():
        target = into / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        _WRITERS[form](highlights, video, target)
    return tuple(file.name for file in EXPORTS.values())


def _in_order(highlights: Highlights) -> Highlights:
    return sorted(highlights, key=lambda highlight: float(highlight["start_seconds"]))


def _clock(second: float, *, mark: str) -> str:
    millis = round(second * 1000)
    return f"{millis // 3_600_000:02d}:{millis // 60_000 % 60:02d}:{millis // 1000 % 60:02d}{mark}{millis % 1000:03d}"


def _line(text: object) -> str:
    """`text` on one line, without what a subtitle or chapter parser would take for its own."""
    plain = " ".join(str(text).split()).replace("-->", "→")
    return "".join(char for char in plain if char.isprintable()).translate(_SAFE_QUOTES)


def _label(highlight: dict[str, Any]) -> str:
    emotion = highlight.get("emotion")
    return _line(f"#{highlight['rank']} {highlight['title']}" + (f" ({emotion})" if emotion else ""))


def _write_csv(highlights: Highlights, _video: Video, into: Path) -> None:
    write_csv(highlights, into)


def _cues(highlights: Highlights, mark: str) -> list[str]:
    return [
        f"{_clock(h['start_seconds'], mark=mark)} --> {_clock(h['end_seconds'], mark=mark)}\n{_label(h)}"
        for h in _in_order(highlights)
    ]


def _write_srt(highlights: Highlights, _video: Video, into: Path) -> None:
    cues = [f"{number}\n{cue}\n" for number, cue in enumerate(_cues(highlights, ","), start=1)]
    into.write_text("\n".join(cues), encoding="utf-8")


def _write_vtt(highlights: Highlights, _video: Video, into: Path) -> None:
    cues = [cue.replace("&", "&amp;").replace("<", "&lt;") for cue in _cues(highlights, ".")]
    into.write_text("\n\n".join(["WEBVTT", *cues]) + "\n", encoding="utf-8")


def _write_chapters(highlights: Highlights, _video: Video, into: Path) -> None:
    lines, last = [], -float(CHAPTER_APART_S)
    ordered = _in_order(highlights)
    if not ordered or ordered[0]["start_seconds"] >= CHAPTER_APART_S:
        lines, last = ["0:00 Start"], 0.0
    for highlight in ordered:
        start = int(highlight["start_seconds"]) if lines else 0
        if start - last >= CHAPTER_APART_S:
            lines.append(f"{_chapter_time(start)} {_line(highlight['title'])}")
            last = start
    into.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _chapter_time(second: int) -> str:
    hours, minutes = second // 3600, second // 60 % 60
    return f"{hours}:{minutes:02d}:{second % 60:02d}" if hours else f"{minutes}:{second % 60:02d}"


def _time(second: float) -> otio.opentime.RationalTime:
    return otio.opentime.RationalTime(round(second * RATE), RATE)


def _timeline(highlights: Highlights, video: Video) -> otio.schema.Timeline:
    """The highlights one after another, best first, each cut from the VOD, with a marker that tells why."""
    title = _line(video.get("title") or video.get("id") or "recording")
    timeline = otio.schema.Timeline(name=f"Highlights of {title}")
    track = otio.schema.Track(name="Highlights", kind=otio.schema.TrackKind.Video)
    last = max([float(h["end_seconds"]) for h in highlights], default=0.0)
    length = _time(max(float(video.get("duration_seconds") or 0.0), last))
    for highlight in highlights:
        start = _time(highlight["start_seconds"])
        span = otio.opentime.TimeRange(start, _time(highlight["end_seconds"]) - start)
        media = otio.schema.ExternalReference(
            target_url=str(video.get("media_url") or "video.mp4"),
            available_range=otio.opentime.TimeRange(otio.opentime.RationalTime(0, RATE), length),
        )
        media.name = title
        clip = otio.schema.Clip(name=_label(highlight), media_reference=media, source_range=span)
        clip.metadata["klipstream"] = {name: highlight[name] for name in ("rank", "score", "emotion", "reasons")}
        clip.metadata["cmx_3600"] = {"reel": "AX"}  # a title with spaces as the reel's name can't be read back
        moment = otio.opentime.TimeRange(_time(highlight["peak_seconds"]), otio.opentime.RationalTime(1, RATE))
        clip.markers.append(otio.schema.Marker(name="moment", marked_range=moment))
        track.append(clip)
    timeline.tracks.append(track)
    return timeline


def _write_otio(highlights: Highlights, video: Video, into: Path) -> None:
    otio.adapters.write_to_file(_timeline(highlights, video), str(into), adapter_name="otio_json")


def _write_edl(highlights: Highlights, video: Video, into: Path) -> None:
    timeline = _timeline(highlights, video)
    # The adapter can't write a timeline without clips.
    text = f"TITLE: {timeline.name}\n"
    if highlights:
        text = otio.adapters.write_to_string(timeline, adapter_name="cmx_3600", rate=RATE)
    into.write_text(text, encoding="utf-8")


def _write_fcpxml(highlights: Highlights, video: Video, into: Path) -> None:
    text = otio.adapters.write_to_string(_timeline(highlights, video), adapter_name="fcpx_xml")
    into.write_text(text, encoding="utf-8")


_WRITERS: dict[str, Callable[[Highlights, Video, Path], None]] = {
    "csv": _write_csv,
    "srt": _write_srt,
    "vtt": _write_vtt,
    "chapters": _write_chapters,
    "edl": _write_edl,
    "fcpxml": _write_fcpxml,
    "otio": _write_otio,
}
