"""What every editor's format is written from: the recording, and pieces of it in whole frames."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from shared.highlight import Highlight
from shared.records import Video
from shared.text import one_line
from workers.exports.rates import ASSUMED, FrameRate, frame_rate, parse_rate

_DEFAULT_AUDIO_RATE = 48_000
MOST_TRACKS, MOST_CHANNELS = 32, 8  # of sound, on a timeline

Highlights = Sequence[Highlight]


@dataclass(frozen=True, kw_only=True)
class Media:
    """The file that an editor is to look for.

    url: `file:` with the full path where it lies on this machine, else the file's name as a relative URL.
    fetch: the command that fetches it, None where it need not be fetched.  parts: the files of a recording in several,
    in order; it is itself the first.
    """

    name: str
    url: str
    fetch: str | None = None
    parts: tuple["Media", ...] = ()

    @property
    def path(self) -> str:
        """A path for programs that know no URLs."""
        return unquote(urlsplit(self.url).path) if self.url.startswith("file:") else self.name


class Reel(NamedTuple):
    """One file of the recording, in frames.

    number: from 0.  start: where it begins in the recording.  first: the frame number that its start timecode names.
    """

    number: int
    media: Media
    start: int
    frames: int
    first: int


class PartAt(NamedTuple):
    """One file of the recording, in seconds of it."""

    media: Media
    begins_s: float
    start_timecode: str | None


@dataclass(frozen=True, kw_only=True)
class Footage:
    """The recording on an editor's timeline.

    frames: its length.  counted: frames in a second of its files' timecode.  width, height: None when unknown.
    notes: what the reader of the export has to know.
    """

    title: str
    parts: tuple[PartAt, ...]
    rate: FrameRate
    counted: int
    frames: int
    duration_s: float
    has_picture: bool
    width: int | None
    height: int | None
    audio_tracks: int
    audio_channels: int
    audio_rate: int
    notes: tuple[str, ...]

    @property
    def remarks(self) -> tuple[str, ...]:
        """The notes, and how to get the recording."""
        fetch = self.fetch
        return (*self.notes, f"Fetch the recording with: {fetch}") if fetch else self.notes

    @property
    def fetch(self) -> str | None:
        """The command that fetches the recording."""
        return self.parts[0].media.fetch

    @property
    def reels(self) -> tuple[Reel, ...]:
        """The files of the recording, one after another, each at least a frame long."""
        last = self.frames
        found = []
        for number, part in reversed(list(enumerate(self.parts))):
            start = min(self.rate.frames(part.begins_s), last - 1)
            first = _first_frame(part.start_timecode, self.rate, counted=self.counted)
            found.append(Reel(number, part.media, start, last - start, first))
            last = start
        return tuple(reversed(found))

    def at(self, rate: FrameRate, note: str) -> "Footage":
        """The same at another rate; `note` tells why."""
        if rate == self.rate:
            return self
        return replace(
            self,
            rate=rate,
            frames=max(len(self.parts), rate.frames(self.duration_s)),
            notes=(*self.notes, note),
        )


class Marker(NamedTuple):
    """A moment or a span, in frames from the beginning of the clip's file, the end exclusive."""

    start: int
    end: int
    name: str
    note: str


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A piece of one file of the recording on a timeline.

    start, end: frames from the beginning of the file, the end exclusive.  name, note: on one line.
    highlight: what the clip shows; None for the whole recording.
    """

    reel: Reel
    name: str
    note: str
    start: int
    end: int
    markers: tuple[Marker, ...]
    highlight: Highlight | None

    @property
    def frames(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Clips of one recording, one after another."""

    name: str
    footage: Footage
    clips: tuple[Clip, ...]

    @property
    def frames(self) -> int:
        return sum(clip.frames for clip in self.clips)

    def placed(self) -> Iterator[tuple[int, Clip]]:
        """Each clip with the frame of the timeline that it begins at."""
        at = 0
        for clip in self.clips:
            yield at, clip
            at += clip.frames


def in_order(highlights: Iterable[Highlight]) -> list[Highlight]:
    """By time."""
    return sorted(highlights, key=lambda highlight: highlight.start_seconds)


def label(highlight: Highlight) -> str:
    """What a clip, cue or marker is called."""
    emotion = highlight.emotion
    return one_line(f"#{highlight.rank} {highlight.title or 'Highlight'}") + (f" ({emotion})" if emotion else "")


def footage(video: Video | None, media: Media, highlights: Highlights) -> Footage:
    """The recording that `video` describes; None when nothing is known of it."""
    video = video or Video(id="", source="")
    exact = parse_rate(video.frame_rate)
    rate = frame_rate(exact or ASSUMED, start_timecode=video.start_timecode)
    # A highlight must not end behind its recording, whatever the headers tell.
    ends = [highlight.end_seconds for highlight in highlights]
    duration_s = max([video.duration_seconds or 0.0, *ends])
    tracks = video.audio_tracks
    parts = _parts(video, media)
    return Footage(
        title=one_line(video.title or video.id or "recording"),
        parts=parts,
        rate=rate,
        counted=rate.counted,
        frames=max(len(parts), rate.frames(duration_s)),
        duration_s=duration_s,
        has_picture=video.has_picture is not False,
        width=video.width,
        height=video.height,
        audio_tracks=1 if tracks is None else min(tracks, MOST_TRACKS),
        audio_channels=min(video.audio_channels or 2, MOST_CHANNELS),
        audio_rate=video.audio_rate or _DEFAULT_AUDIO_RATE,
        notes=_notes(video, rate, known=exact is not None),
    )


def _parts(video: Video, media: Media) -> tuple[PartAt, ...]:
    if not video.parts or len(video.parts) != len(media.parts):
        return (PartAt(media, 0.0, video.start_timecode),)
    return tuple(
        PartAt(one, part.begins_at_seconds, part.start_timecode)
        for one, part in zip(media.parts, video.parts, strict=True)
    )


def _notes(video: Video, rate: FrameRate, *, known: bool) -> tuple[str, ...]:
    if video.has_picture is False:
        return (f"The recording has no picture; times are counted in {rate} frames a second.",)
    if not known:
        return (f"The recording's frame rate is not known; {rate} frames a second are assumed.",)
    if video.variable_frame_rate:
        return (f"The recording's frame rate varies; its average, {rate} frames a second, is used.",)
    return ()


def _first_frame(start_timecode: str | None, rate: FrameRate, *, counted: int) -> int:
    """The frame number of `start_timecode`, whose frames are counted to `counted` in a second, at `rate`."""
    if start_timecode is None:
        return 0
    clock, frames = start_timecode[:8], int(start_timecode[9:])
    return rate.frame_of(f"{clock}:00") + frames * rate.counted // counted


def highlight_timeline(highlights: Highlights, of: Footage) -> Timeline:
    """The highlights by time, each at least a frame long and inside the recording, with a marker at its best moment.

    A highlight over a joint is a clip of each file.
    """
    clips = tuple(clip for highlight in in_order(highlights) for clip in _clips(highlight, of))
    return Timeline(name=f"Highlights of {of.title}", footage=of, clips=clips)


def marked_timeline(highlights: Highlights, of: Footage) -> Timeline:
    """The whole recording with a marker over each highlight."""
    markers = tuple(
        Marker(*_span(highlight, of), label(highlight), _note(highlight)) for highlight in in_order(highlights)
    )
    clips = tuple(_pieces(of, (0, of.frames), name=of.title, note="", markers=markers, highlight=None))
    return Timeline(name=f"{of.title} with its highlights marked", footage=of, clips=clips)


def _span(highlight: Highlight, of: Footage) -> tuple[int, int]:
    """In frames of the recording."""
    start = min(max(0, of.rate.frames(highlight.start_seconds)), of.frames - 1)
    return start, min(max(start + 1, of.rate.frames(highlight.end_seconds)), of.frames)


def _note(highlight: Highlight) -> str:
    return one_line(" ".join(highlight.reasons))


def _clips(highlight: Highlight, of: Footage) -> Iterator[Clip]:
    start, end = _span(highlight, of)
    moment = min(max(start, of.rate.frames(highlight.peak_seconds)), end - 1)
    name, note = label(highlight), _note(highlight)
    markers = (Marker(moment, moment + 1, name, note),)
    return _pieces(of, (start, end), name=name, note=note, markers=markers, highlight=highlight)


def _pieces(
    of: Footage,
    span: tuple[int, int],
    *,
    name: str,
    note: str,
    markers: tuple[Marker, ...],
    highlight: Highlight | None,
) -> Iterator[Clip]:
    """`span` and `markers`, in frames of the recording, as a clip of each file; a marker lies where it begins."""
    for reel in of.reels:
        start, end = max(span[0], reel.start), min(span[1], reel.start + reel.frames)
        if start < end:
            inside = (marker for marker in markers if start <= marker.start < end)
            yield Clip(
                reel=reel,
                name=name,
                note=note,
                start=start - reel.start,
                end=end - reel.start,
                markers=tuple(
                    marker._replace(start=marker.start - reel.start, end=min(marker.end, end) - reel.start)
                    for marker in inside
                ),
                highlight=highlight,
            )
