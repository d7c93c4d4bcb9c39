"""Final Cut Pro's FCPXML: an asset for each file, and one project whose spine is the timeline.

Version 1.9 is read by Final Cut Pro since 10.5 and DaVinci Resolve since 17, which finds media by `media-rep` only. The
order of elements is the document type's.
"""

from pathlib import Path
from xml.etree import ElementTree as ET

from workers.exports.rates import FrameRate
from workers.exports.timeline import Clip, Footage, Marker, Reel, Timeline
from workers.exports.xml_file import child, write_xml

VERSION = "1.9"
FORMAT = "r1"
# Final Cut Pro has names for these sizes and rates; anything else has its own name for "as the attributes say".
_NAMED_SIZES = {(1920, 1080): "1080", (1280, 720): "720", (3840, 2160): "3840x2160"}
_NAMED_RATES = ("23.976", "24", "25", "29.97", "30", "50", "59.94", "60")
OTHER_FORMAT = "FFVideoFormatRateUndefined"
_SEQUENCE_AUDIO_RATES = {44_100: "44.1k", 48_000: "48k", 88_200: "88.2k", 96_000: "96k", 176_400: "176.4k"}
_LAYOUTS = {1: "mono", 2: "stereo"}


def write_fcpxml(timeline: Timeline, into: Path) -> None:
    """The highlights as a project of Final Cut Pro."""
    footage = timeline.footage
    root = ET.Element("fcpxml", version=VERSION)
    resources = child(root, "resources")
    _add_format(resources, footage)
    for reel in footage.reels:
        _add_asset(resources, reel, footage)
    event = child(child(root, "library"), "event", name=footage.title)
    _add_sequence(child(event, "project", name=timeline.name), timeline)
    write_xml(root, into, doctype=True)


def _time(frames: int, rate: FrameRate) -> str:
    """`frames` in seconds, a whole multiple of a frame's duration: "3003/30000s"."""
    value = frames * rate.exact.denominator
    whole, rest = divmod(value, rate.exact.numerator)
    return f"{value}/{rate.exact.numerator}s" if rest else f"{whole}s"


def _format_name(footage: Footage) -> str:
    size = _NAMED_SIZES.get((footage.width or 0, footage.height or 0))
    if size is None or str(footage.rate) not in _NAMED_RATES:
        return OTHER_FORMAT
    return f"FFVideoFormat{size}p{round(footage.rate.exact * 100) if footage.rate.is_ntsc else footage.rate}"


def _add_format(resources: ET.Element, footage: Footage) -> None:
    child(
        resources,
        "format",
        id=FORMAT,
        name=_format_name(footage),
        frameDuration=f"{footage.rate.exact.denominator}/{footage.rate.exact.numerator}s",
        width=footage.width,
        height=footage.height,
    )


def _asset(reel: Reel) -> str:
    return f"r{reel.number + 2}"


def _add_asset(resources: ET.Element, reel: Reel, footage: Footage) -> None:
    sound = footage.audio_tracks > 0
    asset = child(
        resources,
        "asset",
        id=_asset(reel),
        name=reel.media.name,
        start=_time(reel.first, footage.rate),
        duration=_time(reel.frames, footage.rate),
        hasVideo="1" if footage.has_picture else None,
        format=FORMAT if footage.has_picture else None,
        hasAudio="1" if sound else None,
        audioSources=footage.audio_tracks if sound else None,
        audioChannels=footage.audio_channels if sound else None,
        audioRate=footage.audio_rate if sound else None,
    )
    child(asset, "media-rep", kind="original-media", src=reel.media.url)


def _timecode_format(rate: FrameRate) -> str:
    return "DF" if rate.drop_frame else "NDF"


def _add_sequence(project: ET.Element, timeline: Timeline) -> None:
    footage = timeline.footage
    sequence = child(
        project,
        "sequence",
        format=FORMAT,
        duration=_time(timeline.frames, footage.rate),
        tcStart="0s",
        tcFormat=_timecode_format(footage.rate),
        audioLayout=_LAYOUTS.get(footage.audio_channels, "surround") if footage.audio_tracks else None,
        audioRate=_SEQUENCE_AUDIO_RATES.get(footage.audio_rate, "48k") if footage.audio_tracks else None,
    )
    if footage.remarks:
        child(sequence, "note", " ".join(footage.remarks))
    spine = child(sequence, "spine")
    for at, clip in timeline.placed():
        _add_clip(spine, at, clip, footage)


def _add_clip(spine: ET.Element, at: int, clip: Clip, footage: Footage) -> None:
    rate = footage.rate
    element = child(
        spine,
        "asset-clip",
        ref=_asset(clip.reel),
        name=clip.name,
        offset=_time(at, rate),
        start=_time(clip.reel.first + clip.start, rate),
        duration=_time(clip.frames, rate),
        format=FORMAT if footage.has_picture else None,
        tcFormat=_timecode_format(rate),
        audioRole="dialogue" if footage.audio_tracks else None,
        videoRole="video" if footage.has_picture else None,
    )
    if clip.note:
        child(element, "note", clip.note)
    for marker in clip.markers:
        _add_marker(element, clip.reel.first + marker.start, marker, footage)


def _add_marker(element: ET.Element, frame: int, marker: Marker, footage: Footage) -> None:
    child(
        element,
        "marker",
        start=_time(frame, footage.rate),
        duration=_time(1, footage.rate),  # Final Cut Pro's markers are points
        value=marker.name,
        note=marker.note or None,
    )
