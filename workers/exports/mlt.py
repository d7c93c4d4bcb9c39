"""MLT XML, the project format of Shotcut, which Kdenlive and melt read too."""

from pathlib import Path
from xml.etree import ElementTree as ET

from workers.exports.rates import FrameRate
from workers.exports.timeline import Footage, Reel, Timeline
from workers.exports.xml_file import child, write_xml

# What a recording of unknown size is shown in.
_DEFAULT_SIZE = (1920, 1080)


def write_mlt(timeline: Timeline, into: Path) -> None:
    """Frames are counted from the beginning of the file, the last one of a clip included."""
    footage = timeline.footage
    root = ET.Element("mlt", LC_NUMERIC="C", version="7.0.0", title=timeline.name, producer="timeline")
    _add_profile(root, footage)
    for reel in footage.reels:
        _add_producer(root, reel, footage)
    background = child(root, "producer", id="black", **{"in": 0, "out": max(0, timeline.frames - 1)})
    _set(background, length=max(1, timeline.frames), resource="0", mlt_service="color", eof="pause")
    _add_playlist(root, timeline)
    tractor = child(root, "tractor", id="timeline", **{"in": 0, "out": max(0, timeline.frames - 1)})
    _set(tractor, shotcut=1)
    _add_markers(tractor, timeline)
    child(tractor, "track", producer="black")
    child(tractor, "track", producer="highlights", hide=None if footage.has_picture else "video")
    write_xml(root, into, doctype=False)


def _set(element: ET.Element, **properties: object) -> None:
    for name, value in properties.items():
        child(element, "property", value, name=name)


def _add_profile(root: ET.Element, footage: Footage) -> None:
    width, height = footage.width or _DEFAULT_SIZE[0], footage.height or _DEFAULT_SIZE[1]
    rate = footage.rate.exact
    child(
        root,
        "profile",
        description=f"{width}x{height} {footage.rate} fps",
        width=width,
        height=height,
        progressive=1,
        sample_aspect_num=1,
        sample_aspect_den=1,
        display_aspect_num=width,
        display_aspect_den=height,
        frame_rate_num=rate.numerator,
        frame_rate_den=rate.denominator,
        colorspace=709,
    )


def _producer(reel: Reel) -> str:
    return f"recording{reel.number or ''}"


def _add_producer(root: ET.Element, reel: Reel, footage: Footage) -> None:
    producer = child(root, "producer", id=_producer(reel), **{"in": 0, "out": reel.frames - 1})
    # Without validation a recording that is not fetched yet stays on the timeline.
    _set(producer, length=reel.frames, eof="pause", resource=reel.media.path, mlt_service="avformat-novalidate")
    child(producer, "property", reel.media.name, name="shotcut:caption")
    if footage.remarks:
        child(producer, "property", " ".join(footage.remarks), name="shotcut:comment")


def _add_playlist(root: ET.Element, timeline: Timeline) -> None:
    playlist = child(root, "playlist", id="highlights")
    kind, name = ("video", "V1") if timeline.footage.has_picture else ("audio", "A1")
    child(playlist, "property", 1, name=f"shotcut:{kind}")
    child(playlist, "property", name, name="shotcut:name")
    for clip in timeline.clips:
        child(playlist, "entry", producer=_producer(clip.reel), **{"in": clip.start, "out": clip.end - 1})


def _add_markers(tractor: ET.Element, timeline: Timeline) -> None:
    rate = timeline.footage.rate
    group = child(tractor, "properties", name="shotcut:markers")
    number = 0
    for at, clip in timeline.placed():
        for marker in clip.markers:
            element = child(group, "properties", name=number)
            start = at + marker.start - clip.start
            _set(
                element,
                text=marker.name,
                start=_clock(start, rate),
                end=_clock(start + marker.end - marker.start - 1, rate),
                color="#008000",
            )
            number += 1


def _clock(frame: int, rate: FrameRate) -> str:
    """MLT's time of a frame, in milliseconds: "00:01:05.120"."""
    millis = round(rate.seconds(frame) * 1000)
    return f"{millis // 3_600_000:02d}:{millis // 60_000 % 60:02d}:{millis // 1000 % 60:02d}.{millis % 1000:03d}"
