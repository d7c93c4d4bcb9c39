"""OpenTimelineIO's own format, which DaVinci Resolve, Kdenlive and Premiere Pro read."""

from pathlib import Path

import opentimelineio as otio

from shared.highlight import Highlight
from workers.exports.timeline import Clip, Footage, Timeline


def write_otio(timeline: Timeline, into: Path) -> None:
    """A video track and an audio track for each sound track of the recording, cut alike."""
    footage = timeline.footage
    made = otio.schema.Timeline(name=timeline.name, global_start_time=_time(0, footage))
    made.metadata["klipstream"] = _about(footage)
    kinds = [otio.schema.TrackKind.Video] * footage.has_picture
    kinds += [otio.schema.TrackKind.Audio] * footage.audio_tracks
    for number, kind in enumerate(kinds):
        track = otio.schema.Track(name=f"{kind} {1 + kinds[:number].count(kind)}", kind=kind)
        # Once is enough for markers.
        track.extend(_clip(clip, footage, with_markers=number == 0) for clip in timeline.clips)
        made.tracks.append(track)
    otio.adapters.write_to_file(made, str(into), adapter_name="otio_json")


def _time(frame: int, footage: Footage) -> otio.opentime.RationalTime:
    return otio.opentime.RationalTime(frame, float(footage.rate.exact))


def _range(start: int, frames: int, footage: Footage) -> otio.opentime.TimeRange:
    return otio.opentime.TimeRange(_time(start, footage), _time(frames, footage))


def _about(footage: Footage) -> dict[str, object]:
    rate = footage.rate.exact
    about: dict[str, object] = {
        "frame_rate": f"{rate.numerator}/{rate.denominator}",
        "drop_frame": footage.rate.drop_frame,
        "start_timecode": footage.rate.timecode(footage.reels[0].first),
        "width": footage.width,
        "height": footage.height,
        "notes": list(footage.notes),
    }
    return about | ({"fetch": footage.fetch} if footage.fetch else {})


def _found(highlight: Highlight) -> dict[str, object]:
    return {
        "rank": highlight.rank,
        "title": highlight.title,
        "score": highlight.score,
        "emotion": highlight.emotion,
        "reasons": list(highlight.reasons),
    }


def _clip(clip: Clip, footage: Footage, *, with_markers: bool) -> otio.schema.Clip:
    reel = clip.reel
    media = otio.schema.ExternalReference(
        target_url=reel.media.url, available_range=_range(reel.first, reel.frames, footage)
    )
    media.name = reel.media.name
    made = otio.schema.Clip(
        name=clip.name,
        media_reference=media,
        source_range=_range(reel.first + clip.start, clip.frames, footage),
        metadata={"klipstream": _found(clip.highlight) if clip.highlight else {}},
    )
    for marker in clip.markers if with_markers else ():
        made.markers.append(
            otio.schema.Marker(
                name=marker.name,
                marked_range=_range(reel.first + marker.start, marker.end - marker.start, footage),
                color=otio.schema.MarkerColor.RED,
                metadata={"klipstream": {"note": marker.note}},
            )
        )
    return made
