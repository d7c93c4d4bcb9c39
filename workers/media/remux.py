"""What is in a recording, and its sound or its whole content copied out of it into mp4.

Time 0 of what is written is time 0 of the recording as players show it; sound that begins later is led in by silence.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet

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
from workers.media.video_track import PictureTrack, picture_track

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
        )


def copy_sound(
    source: Path, into: Path, *, progress: Progress, demuxer: str | None = None, max_seconds: float = math.inf
) -> Sound:
    """Write the sound track of `source` to `into` (m4a), not re-encoded where an m4a can hold it.

    Holes of up to half an hour become silence. Raises UnsupportedFormat when there is no sound that can be read,
    VideoSizeExceeded beyond `max_seconds`, InsufficientStorage.
    """

    def write(make: MakeTrack) -> Sound:
        with open_media(source, demuxer) as recording, mp4_output(into) as output:
            return _write_sound(recording, output, make, Meter(recording, progress, max_seconds))

    try:
        sound = write(CopiedTrack)
    except CannotCopy as reason:
        sound = write(_encoder(str(reason)))
    progress(1.0)
    return sound


def copy_video(
    source: Path, into: Path, *, progress: Progress, demuxer: str | None = None, max_seconds: float = math.inf
) -> None:
    """Write picture and sound of `source` to `into` (mp4), not re-encoded where an mp4 can hold them.

    Raises UnsupportedFormat when there is no picture, VideoSizeExceeded beyond `max_seconds`, InsufficientStorage.
    """

    def write(make: MakeTrack) -> None:
        with open_media(source, demuxer) as recording, mp4_output(into) as output:
            _write_video(recording, output, make, Meter(recording, progress, max_seconds))

    try:
        write(CopiedTrack)
    except CannotCopy as reason:
        write(_encoder(str(reason)))
    progress(1.0)


def _encoder(reason: str) -> MakeTrack:
    return lambda output, stream, zero_s: EncodedTrack(output, stream, zero_s, reason)


def _write_sound(recording: InputContainer, output: OutputContainer, make: MakeTrack, meter: Meter) -> Sound:
    stream = needed_sound(recording)
    track = make(output, stream, zero_of(recording))

    def put(packet: Packet[Any]) -> None:
        track.put(packet)
        meter.at(track.clock.seconds, packet.pos)

    whole = read_packets(recording, (stream,), put)
    track.finish()
    seconds = track.clock.seconds
    if not seconds:
        raise UnsupportedFormat("The recording has a sound track, but no sound in it that can be read.")
    warnings = (*_choice(recording), *track.warnings(), *_cut_short(stream, seconds, whole=whole))
    return Sound(round(seconds, 3), warnings)


def _write_video(recording: InputContainer, output: OutputContainer, make: MakeTrack, meter: Meter) -> None:
    picture, sound = picture_of(recording), sound_of(recording)
    if picture is None:
        raise UnsupportedFormat("The recording has no picture.")
    zero_s = zero_of(recording)
    tracks: dict[int, SoundTrack | PictureTrack] = {picture.index: picture_track(output, picture, zero_s)}
    if sound is not None:
        tracks[sound.index] = make(output, sound, zero_s)

    def put(packet: Packet[Any]) -> None:
        at_s = float(packet.dts * packet.time_base) - zero_s if packet.dts is not None else 0.0
        pos = packet.pos  # gone once it is written
        tracks[packet.stream_index].put(packet)
        meter.at(at_s, pos)

    read_packets(recording, (picture, sound) if sound else (picture,), put)
    for track in tracks.values():
        track.finish()


def _choice(recording: InputContainer) -> tuple[str, ...]:
    count = len(recording.streams.audio)
    return (f"The recording has {count} sound tracks; its main one was used.",) if count > 1 else ()


def _cut_short(stream: AudioStream, seconds: float, *, whole: bool) -> tuple[str, ...]:
    told_s = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else seconds
    if told_s - seconds > CUT_SHORT_S:
        return (f"The file is cut short: its sound ends at {seconds:.0f} s of {told_s:.0f} s.",)
    return () if whole else ("The file is damaged; what could be read of its sound was used.",)
