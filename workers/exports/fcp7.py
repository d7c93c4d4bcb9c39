"""Final Cut Pro 7's XML interchange format (xmeml), which Premiere Pro and DaVinci Resolve open."""

from pathlib import Path
from xml.etree import ElementTree as ET

from workers.exports.rates import FrameRate, whole_rate
from workers.exports.timeline import Clip, Footage, Marker, Reel, Timeline
from workers.exports.xml_file import child, write_xml

VERSION = "4"
FILE = "recording"
_SAMPLE_BITS = 16
MOST_SOUND_TRACKS = 32


def for_fcp7(footage: Footage) -> Footage:
    """At a rate that the format can name: a whole number, or NTSC's."""
    rate = whole_rate(footage.rate)
    return footage.at(rate, f"The format knows no {footage.rate} frames a second: {rate} are counted.")


def write_fcp7(timeline: Timeline, into: Path) -> None:
    """Every audio channel of every sound track is a track of the sequence, linked to the picture."""
    root = ET.Element("xmeml", version=VERSION)
    project = child(root, "project")
    child(project, "name", timeline.name)
    _Sequence(timeline).write(child(project, "children"))
    write_xml(root, into, doctype=True)


def _add_rate(parent: ET.Element, rate: FrameRate) -> None:
    element = child(parent, "rate")
    child(element, "timebase", rate.counted)
    child(element, "ntsc", "TRUE" if rate.is_ntsc else "FALSE")


def _add_timecode(parent: ET.Element, rate: FrameRate, frame: int) -> None:
    element = child(parent, "timecode")
    _add_rate(element, rate)
    child(element, "string", rate.timecode(frame))
    child(element, "frame", frame)
    child(element, "displayformat", "DF" if rate.drop_frame else "NDF")


def _add_picture_characteristics(parent: ET.Element, footage: Footage) -> None:
    element = child(parent, "samplecharacteristics")
    _add_rate(element, footage.rate)
    if footage.width and footage.height:
        child(element, "width", footage.width)
        child(element, "height", footage.height)
    child(element, "anamorphic", "FALSE")
    child(element, "pixelaspectratio", "square")
    child(element, "fielddominance", "none")


def _add_sound_characteristics(parent: ET.Element, footage: Footage) -> None:
    element = child(parent, "samplecharacteristics")
    child(element, "depth", _SAMPLE_BITS)
    child(element, "samplerate", footage.audio_rate)


def _add_marker(parent: ET.Element, marker: Marker, offset: int) -> None:
    """offset: from the recording's frames to the sequence's."""
    element = child(parent, "marker")
    child(element, "comment", marker.note)
    child(element, "name", marker.name)
    child(element, "in", offset + marker.start)
    child(element, "out", -1 if marker.end - marker.start == 1 else offset + marker.end)


class _Sequence:
    """The one sequence of a timeline. A file of the recording is described where it first appears."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._footage = timeline.footage
        self._described: set[Reel] = set()
        self._first_track = 0 if self._footage.has_picture else 1
        # Each clip is linked to every other one of its moment, so the file grows with the square of the tracks.
        self._sound_tracks = min(self._footage.audio_tracks * self._footage.audio_channels, MOST_SOUND_TRACKS)

    def write(self, parent: ET.Element) -> None:
        footage = self._footage
        sequence = child(parent, "sequence", id="timeline")
        child(sequence, "name", self._timeline.name)
        child(sequence, "duration", self._timeline.frames)
        _add_rate(sequence, footage.rate)
        _add_timecode(sequence, footage.rate, 0)
        media = child(sequence, "media")
        video = child(media, "video")
        _add_picture_characteristics(child(video, "format"), footage)
        if footage.has_picture:
            self._add_track(video, 0)
        audio = child(media, "audio")
        child(audio, "numOutputChannels", 2)
        _add_sound_characteristics(child(audio, "format"), footage)
        for number in range(1, self._sound_tracks + 1):
            self._add_track(audio, number)
        for at, clip in self._timeline.placed():
            for marker in clip.markers:
                _add_marker(sequence, marker, at - clip.start)
        self._add_notes(sequence)

    def _add_notes(self, sequence: ET.Element) -> None:
        if self._footage.remarks:
            comments = child(sequence, "comments")
            for number, remark in enumerate(self._footage.remarks, start=1):
                child(comments, f"mastercomment{number}", remark)

    def _add_track(self, parent: ET.Element, number: int) -> None:
        """number: 0 for the picture, else of the audio channel, from 1."""
        track = child(parent, "track")
        if number and self._footage.audio_channels == 2:
            track.set("premiereTrackType", "Stereo")
            track.set("currentExplodedTrackIndex", str((number - 1) % 2))
            track.set("totalExplodedTrackCount", "2")
        for index, (at, clip) in enumerate(self._timeline.placed(), start=1):
            self._add_item(track, at, clip, (index, number))
        child(track, "enabled", "TRUE")
        child(track, "locked", "FALSE")
        if number:
            child(track, "outputchannelindex", (number - 1) % 2 + 1)

    def _add_item(self, track: ET.Element, at: int, clip: Clip, place: tuple[int, int]) -> None:
        index, number = place
        item = child(track, "clipitem", id=_item_id(index, number))
        child(item, "name", clip.name)
        child(item, "enabled", "TRUE")
        child(item, "duration", clip.reel.frames)
        _add_rate(item, self._footage.rate)
        child(item, "start", at)
        child(item, "end", at + clip.frames)
        child(item, "in", clip.start)
        child(item, "out", clip.end)
        self._add_file(item, clip.reel)
        source = child(item, "sourcetrack")
        child(source, "mediatype", "audio" if number else "video")
        child(source, "trackindex", number or 1)
        self._add_links(item, index)

    def _add_links(self, item: ET.Element, index: int) -> None:
        for number in range(self._first_track, self._sound_tracks + 1):
            link = child(item, "link")
            child(link, "linkclipref", _item_id(index, number))
            child(link, "mediatype", "audio" if number else "video")
            child(link, "trackindex", number or 1)
            child(link, "clipindex", index)

    def _add_file(self, item: ET.Element, reel: Reel) -> None:
        file = child(item, "file", id=f"{FILE}{reel.number or ''}")
        if reel in self._described:
            return
        self._described.add(reel)
        footage = self._footage
        child(file, "name", reel.media.name)
        child(file, "pathurl", reel.media.url)
        _add_rate(file, footage.rate)
        child(file, "duration", reel.frames)
        _add_timecode(file, footage.rate, reel.first)
        media = child(file, "media")
        if footage.has_picture:
            _add_picture_characteristics(child(media, "video"), footage)
        for _ in range(footage.audio_tracks):
            audio = child(media, "audio")
            _add_sound_characteristics(audio, footage)
            child(audio, "channelcount", footage.audio_channels)


def _item_id(index: int, number: int) -> str:
    return f"clip-{index}-{number}"
