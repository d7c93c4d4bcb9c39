"""What is in a recording, and its sound or its whole content copied out of it into mp4.

Time 0 of what is written is time 0 of the recording as players show it; sound that begins later is led in by silence.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream

from shared.errors import UnsupportedFormat
from shared.progress import Progress
from workers.media.audio_track import CannotCopy, CopiedTrack, EncodedTrack, Sound, SoundTrack
from workers.media.demux import (
    Meter,
    duration_of,
    mp4_output,
    needed_sound,
    picture_of,
    read_packets,
    sound_of,
    zero_of,
)
from workers.media.demuxers import open_media

CUT_SHORT_S = 5.0  # missing at the end: more than rounding

MakeTrack = Callable[[OutputContainer, AudioStream, float], SoundTrack]


class MediaInfo(NamedTuple):
    """What a recording's headers say; None where they say nothing usable.

    container: mov, matroska, mpegts, flv, mp3, wav, aac or ogg.  fps: frames a second, mean.
    """

    duration_s: float | None
    has_sound: bool
    has_picture: bool
    container: str
    audio_codec: str | None
    video_codec: str | None
    width: int | None
    height: int | None
    fps: float | None
    sound_tracks: int = 0


def probe(path: Path, *, demuxer: str | None = None) -> MediaInfo:
    """Look into the recording at `path`. Raises UnsupportedFormat, FileMissing, PermissionDenied."""
    with open_media(path, demuxer) as source:
        sound, picture = sound_of(source), picture_of(source)
        rate = picture.average_rate if picture else None
        return MediaInfo(
            duration_s=duration_of(source),
            has_sound=sound is not None,
            has_picture=picture is not None,
            container=source.format.name.split(",")[0],
            audio_codec=sound.codec_context.name if sound else None,
            video_codec=picture.codec_context.name if picture else None,
            width=picture.codec_context.width if picture else None,
            height=picture.codec_context.height if picture else None,
            fps=round(float(rate), 3) if rate else None,
            sound_tracks=len(source.streams.audio),
        )


def zero_s(path: Path, *, track: int | None = None) -> float:
    """The timestamp in the file at `path` that is 0:00 of the recording; see `demux.zero_of`."""
    with open_media(path) as source:
        return zero_of(source, track)


def copy_sound(
    source: Path,
    into: Path,
    *,
    progress: Progress,
    track: int | None = None,
    demuxer: str | None = None,
    max_seconds: float = math.inf,
) -> Sound:
    """Write a sound track of `source` to `into` (m4a), not re-encoded where an m4a can hold it.

    track: which one, from 1; None for the default one.  Gaps of up to half an hour become silence.  Raises
    UnsupportedFormat when there is no sound that can be read, VideoSizeExceeded beyond `max_seconds`,
    InsufficientStorage.
    """

    def write(make: MakeTrack) -> Sound:
        with open_media(source, demuxer) as recording, mp4_output(into) as output:
            return _write_sound(recording, output, make, track, Meter(recording, progress, max_seconds))

    try:
        sound = write(CopiedTrack)
    except CannotCopy as reason:
        sound = write(encoder_for(str(reason)))
    progress(1.0)
    return sound


def encoder_for(reason: str) -> MakeTrack:
    """Makes tracks that are encoded anew, and say the reason."""
    return lambda output, stream, zero: EncodedTrack(output, stream, zero, reason)


def _write_sound(
    recording: InputContainer, output: OutputContainer, make: MakeTrack, number: int | None, meter: Meter
) -> Sound:
    stream = needed_sound(recording, number)
    track = make(output, stream, zero_of(recording, number))

    def put(packet: Packet[Stream]) -> None:
        track.put(packet)
        meter.at(track.clock.seconds, packet.pos)

    whole = read_packets(recording, (stream,), put)
    track.finish()
    seconds = track.clock.seconds
    if not seconds:
        raise UnsupportedFormat("The recording has a sound track, but no sound in it that can be read.")
    return Sound(round(seconds, 3), (*track.warnings(), *_cut_short(stream, seconds, whole=whole)))


def _cut_short(stream: AudioStream, seconds: float, *, whole: bool) -> tuple[str, ...]:
    told_s = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else seconds
    if told_s - seconds > CUT_SHORT_S:
        return (f"The file is cut short: its sound ends at {seconds:.0f} s of {told_s:.0f} s.",)
    return () if whole else ("The file is damaged; what could be read of its sound was used.",)
