"""CMX 3600 edit decision lists."""

from collections.abc import Iterator
from pathlib import Path

from workers.exports.rates import FrameRate, broadcast_rate
from workers.exports.timeline import Clip, Footage, Timeline

MOST_EVENTS = 999
LONGEST_TITLE = 70
LONGEST_COMMENT = 200


def for_edl(footage: Footage) -> Footage:
    """At a rate that programs know for EDLs, which don't tell their own."""
    rate = broadcast_rate(footage.rate)
    return footage.at(
        rate, f"EDLs know no {footage.rate} frames a second: this one counts {rate}, open it at that rate."
    )


def write_edl(timeline: Timeline, into: Path) -> None:
    """Source times are the recording's timecode, record times and locators count from 0."""
    rate = timeline.footage.rate
    lines = [f"TITLE: {timeline.name[:LONGEST_TITLE].rstrip()}"]
    lines += [f"FCM: {'DROP FRAME' if rate.drop_frame else 'NON-DROP FRAME'}", ""]
    for number, (at, clip) in enumerate(list(timeline.placed())[:MOST_EVENTS], start=1):
        lines += [_event(number, at, clip, timeline.footage), *_comments(at, clip, timeline.footage)]
        if number == 1:  # readers refuse comments before the first event
            lines += [f"* COMMENT: {remark}" for remark in timeline.footage.remarks]
        lines.append("")
    into.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _event(number: int, at: int, clip: Clip, footage: Footage) -> str:
    rate, first = footage.rate, clip.reel.first
    frames = (first + clip.start, first + clip.end, at, at + clip.frames)
    times = " ".join(rate.timecode(frame) for frame in frames)
    return f"{number:03d}  AX       {_channels(footage):5} C        {times}"


def _channels(footage: Footage) -> str:
    if not footage.has_picture:
        return "AA"
    return "AA/V" if footage.audio_tracks else "V"


def _comments(at: int, clip: Clip, footage: Footage) -> Iterator[str]:
    yield f"* FROM CLIP NAME:  {clip.reel.media.name}"
    yield f"* FROM FILE: {clip.reel.media.url}"
    if clip.highlight is not None:
        yield f"* COMMENT: {clip.name}"[:LONGEST_COMMENT]
    for marker in clip.markers:
        yield f"* LOC: {_record_time(marker.start, at, clip, footage.rate)} RED     {marker.name}"[:LONGEST_COMMENT]


def _record_time(frame: int, at: int, clip: Clip, rate: FrameRate) -> str:
    return rate.timecode(at + frame - clip.start)
