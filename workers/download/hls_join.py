"""Fetched segments become one mp4 or m4a whose timeline is the recording's, whatever is missing or jumps."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from shared.errors import UnsupportedFormat, VideoUnavailable
from shared.progress import Progress
from shared.throttle import Throttle
from workers.download.playlist import Segment
from workers.media.audio_track import CannotCopy, CopiedTrack, EncodedTrack, Sound, SoundTrack
from workers.media.demux import mp4_output, picture_of, read_packets, sound_of
from workers.media.demuxers import open_media
from workers.media.sample_clock import LONGEST_GAP_S
from workers.media.video_track import PictureTrack, picture_track

JUMP_S = 1.0  # timestamps that leave the playlist's times by more were set anew
REPORT_EVERY_S = 0.5
MakeTrack = Callable[[OutputContainer, AudioStream, float], SoundTrack]


class SegmentAt(NamedTuple):
    """One segment inside a run's file: the byte it begins at, and its number in the playlist."""

    offset: int
    number: int


class Run(NamedTuple):
    """A file that one demuxer reads in one go, and which segments it holds, in order."""

    path: Path
    segments: tuple[SegmentAt, ...]


class Timeline:
    """Where packets belong, in seconds from `origin_s` of the recording.

    Timestamps are trusted as long as their steps agree with the playlist's: then rounding in the playlist adds up to
    nothing. After a discontinuity the playlist's times count.
    """

    def __init__(self, segments: Sequence[Segment], origin_s: float) -> None:
        self._segments = segments
        self._origin_s = origin_s
        self._shift: float | None = None
        self._anchored = -1
        self._seen: dict[str, tuple[int, float]] = {}

    def number(self, run: Run, position: int | None, kind: str) -> int:
        """The segment that a packet at `position` of the run's file is from."""
        if position is None or position < 0:
            seen = self._seen.get(kind)
            return max(seen[0] if seen else 0, run.segments[0].number)
        index = bisect_right(run.segments, position, key=lambda segment: segment.offset) - 1
        return run.segments[max(index, 0)].number

    def shift_s(self, kind: str, number: int, at_s: float) -> float:
        """Seconds to add to a packet of segment `number` whose timestamp is `at_s`."""
        if self._shift is None:
            self._shift = self._segments[number].starts_s - at_s
            self._anchored = number
        seen = self._seen.get(kind)
        if seen is None or number > seen[0]:
            if seen is not None and number > self._anchored:
                expected = self._segments[number].starts_s - self._segments[seen[0]].starts_s
                jump = at_s - seen[1] - expected
                self._shift -= jump if abs(jump) > JUMP_S else 0.0
                self._anchored = number
            self._seen[kind] = (number, at_s)
        return self._shift - self._origin_s

    def end_s(self, number: int) -> float:
        """Where segment `number` ends, going on from the last one that was seen."""
        last, at_s = max(self._seen.values())
        from_here = self._segments[number].ends_s - self._segments[last].starts_s
        return at_s + (self._shift or 0.0) - self._origin_s + from_here


class _Reporter:
    """Progress by the bytes that have been read."""

    def __init__(self, runs: Sequence[Run], progress: Progress) -> None:
        self._sizes = [run.path.stat().st_size for run in runs]
        self._progress = progress
        self._throttle = Throttle(REPORT_EVERY_S)

    def at(self, index: int, position: int | None) -> None:
        if self._throttle.is_due():
            done = sum(self._sizes[:index]) + max(position or 0, 0)
            self._progress(min(done / max(sum(self._sizes), 1), 1.0))


def check_gaps(segments: Sequence[Segment], present: Sequence[int]) -> None:
    """Raise VideoUnavailable when so much is missing that what is left is not the recording."""
    have = set(present)
    missing_s = sum(segment.seconds for segment in segments if segment.number not in have)
    longest = gap = 0.0
    for segment in segments:
        gap = 0.0 if segment.number in have else gap + segment.seconds
        longest = max(longest, gap)
    if not have or missing_s > sum(segment.seconds for segment in segments) / 2 or longest > LONGEST_GAP_S - 60:
        raise VideoUnavailable("Most of this video, or a long piece of it, is gone from the server.")


def join_sound(
    runs: Sequence[Run], segments: Sequence[Segment], into: Path, *, origin_s: float = 0.0, progress: Progress
) -> Sound:
    """Write the sound of all runs to `into` (m4a); what is missing becomes silence of the right length.

    Its time 0 is `origin_s` of the recording.  Copied where the codec allows, encoded where it doesn't.  Raises
    UnsupportedFormat when there is no sound.
    """
    try:
        return _join(runs, segments, into, CopiedTrack, progress, picture=False, origin_s=origin_s)
    except CannotCopy as reason:
        return _join(runs, segments, into, _encoder(str(reason)), progress, picture=False, origin_s=origin_s)


def join_video(
    runs: Sequence[Run], segments: Sequence[Segment], into: Path, *, origin_s: float = 0.0, progress: Progress
) -> Sound:
    """Write picture and sound of all runs to `into` (mp4), its time 0 being `origin_s` of the recording."""
    try:
        return _join(runs, segments, into, CopiedTrack, progress, picture=True, origin_s=origin_s)
    except CannotCopy as reason:
        return _join(runs, segments, into, _encoder(str(reason)), progress, picture=True, origin_s=origin_s)


def _encoder(reason: str) -> MakeTrack:
    return lambda output, stream, zero_s: EncodedTrack(output, stream, zero_s, reason)


def _join(
    runs: Sequence[Run],
    segments: Sequence[Segment],
    into: Path,
    make: MakeTrack,
    progress: Progress,
    *,
    picture: bool,
    origin_s: float = 0.0,
) -> Sound:
    timeline = Timeline(segments, origin_s)
    reporter = _Reporter(runs, progress)
    with mp4_output(into) as output, ExitStack() as first_one:
        joiner = _Joiner(output, make, timeline, picture=picture)
        for index, run in enumerate(runs):
            joiner.read(index, run, reporter, first_one if index == 0 else ExitStack())
        joiner.finish(
            timeline.end_s(segments[-1].number), last_held=runs[-1].segments[-1].number == segments[-1].number
        )
        return joiner.sound()


class _Joiner:
    """Writes run after run into one output."""

    def __init__(self, output: OutputContainer, make: MakeTrack, timeline: Timeline, *, picture: bool) -> None:
        self._output = output
        self._make = make
        self._timeline = timeline
        self._want_picture = picture
        self._sound: SoundTrack | None = None
        self._picture: PictureTrack | None = None
        self._first: dict[str, Stream] = {}

    def read(self, index: int, run: Run, reporter: _Reporter, keep: ExitStack) -> None:
        """Copy one run. The first run's container stays open in `keep`: the tracks were made from its streams."""
        recording = keep.enter_context(open_media(run.path))
        sound = sound_of(recording)
        picture = picture_of(recording) if self._want_picture else None
        if index == 0:
            self._begin(sound, picture)
        kinds: dict[int, str] = {}
        for kind, stream in (("sound", sound), ("picture", picture)):
            if stream is not None and kind in self._first:
                self._check_alike(kind, stream)
                kinds[stream.index] = kind

        def put(packet: Packet[Stream]) -> None:
            kind, position = kinds[packet.stream_index], packet.pos
            self._place(packet, kind, self._timeline.number(run, position, kind))
            track = self._sound if kind == "sound" else self._picture
            if track is not None:
                track.put(packet)
            reporter.at(index, position)

        streams = tuple(stream for stream in (picture, sound) if stream is not None and stream.index in kinds)
        if streams:
            read_packets(recording, streams, put)
        if index:
            keep.close()

    def _begin(self, sound: AudioStream | None, picture: VideoStream | None) -> None:
        if self._want_picture and picture is None:
            raise UnsupportedFormat("The recording has no picture.")
        if not self._want_picture and sound is None:
            raise UnsupportedFormat("The recording has no sound.")
        if picture is not None:
            self._picture, self._first["picture"] = picture_track(self._output, picture, 0.0), picture
        if sound is not None:
            self._sound, self._first["sound"] = self._make(self._output, sound, 0.0), sound

    def _check_alike(self, kind: str, stream: Stream) -> None:
        first, now = self._first[kind], stream
        if first.codec_context.name != now.codec_context.name:
            raise UnsupportedFormat("The recording changes its codecs on the way.")
        if self._make is CopiedTrack and isinstance(first, AudioStream) and isinstance(now, AudioStream):
            one, other = first.codec_context, now.codec_context
            if (one.extradata, one.sample_rate, one.channels) != (other.extradata, other.sample_rate, other.channels):
                raise CannotCopy("its coding changes on the way")

    def _place(self, packet: Packet[Stream], kind: str, number: int) -> None:
        """Move the packet to its place, in the clock of the first run's stream."""
        own = packet.time_base or Fraction(1, 90_000)
        base = self._first[kind].time_base or own
        at = packet.pts if packet.pts is not None else packet.dts
        if at is None:
            return
        shift_s = self._timeline.shift_s(kind, number, float(at * own))
        ticks = Fraction(own, base)
        moved = round(shift_s / base)
        packet.pts = None if packet.pts is None else round(packet.pts * ticks) + moved
        packet.dts = None if packet.dts is None else round(packet.dts * ticks) + moved
        packet.duration = round((packet.duration or 0) * ticks)
        packet.time_base = base

    def finish(self, end_s: float, *, last_held: bool) -> None:
        if self._sound is not None:
            if not last_held:
                self._sound.pad_to(end_s)
            self._sound.finish()
        if self._picture is not None:
            self._picture.finish()

    def sound(self) -> Sound:
        if self._sound is None:
            return Sound(0.0)
        seconds = self._sound.clock.seconds
        if not seconds and not self._want_picture:
            raise UnsupportedFormat("The recording has a sound track, but no sound in it that can be read.")
        return Sound(round(seconds, 3), self._sound.warnings())
