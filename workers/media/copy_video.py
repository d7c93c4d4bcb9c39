"""A whole recording copied into an mp4: its picture and all of its sound tracks."""

from __future__ import annotations

import math
from pathlib import Path

from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream

from shared.errors import UnsupportedFormat
from shared.progress import Progress
from workers.media.audio_track import CannotCopy, CopiedTrack, SoundTrack
from workers.media.demux import Meter, mp4_output, picture_of, read_packets, sound_of, zero_of
from workers.media.demuxers import open_media
from workers.media.remux import encoder_for
from workers.media.video_track import PictureTrack, picture_track


class _CannotCopyTrack(Exception):
    """The sound of stream `index` has to be encoded."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index


def copy_video(
    source: Path, into: Path, *, progress: Progress, track: int | None = None, max_seconds: float = math.inf
) -> None:
    """Write picture and every sound track of `source` to `into` (mp4), not re-encoded where an mp4 can hold them.

    track: the main sound track, from 1, which becomes the first; None for the default one.  Raises UnsupportedFormat
    when there is no picture, VideoSizeExceeded beyond `max_seconds`, InsufficientStorage.
    """
    encoded: dict[int, str] = {}  # why, by stream
    while True:
        try:
            with open_media(source) as recording, mp4_output(into) as output:
                _write(recording, output, track, encoded, Meter(recording, progress, max_seconds))
            break
        except _CannotCopyTrack as found:
            encoded[found.index] = str(found)
    progress(1.0)


def _write(
    recording: InputContainer, output: OutputContainer, track: int | None, encoded: dict[int, str], meter: Meter
) -> None:
    picture = picture_of(recording)
    if picture is None:
        raise UnsupportedFormat("The recording has no picture.")
    zero_s = zero_of(recording, track)
    sounds = _sounds(recording, track)
    tracks: dict[int, SoundTrack | PictureTrack] = {picture.index: picture_track(output, picture, zero_s)}
    for sound in sounds:
        tracks[sound.index] = _sound_track(output, sound, zero_s, encoded)

    def put(packet: Packet[Stream]) -> None:
        at_s = float(packet.dts * packet.time_base) - zero_s if packet.dts is not None else 0.0
        pos, index = packet.pos, packet.stream_index  # gone once it is written
        try:
            tracks[index].put(packet)
        except CannotCopy as reason:
            raise _CannotCopyTrack(index, str(reason)) from reason
        meter.at(at_s, pos)

    read_packets(recording, (picture, *sounds), put)
    for one in tracks.values():
        one.finish()


def _sounds(recording: InputContainer, track: int | None) -> list[AudioStream]:
    """Every sound track that can be read, the main one first."""
    main = sound_of(recording, track)
    others = [stream for stream in recording.streams.audio if stream is not main]
    return [stream for stream in (main, *others) if stream is not None and stream.codec_context.sample_rate]


def _sound_track(output: OutputContainer, sound: AudioStream, zero_s: float, encoded: dict[int, str]) -> SoundTrack:
    if sound.index in encoded:
        return encoder_for(encoded[sound.index])(output, sound, zero_s)
    try:
        return CopiedTrack(output, sound, zero_s)
    except CannotCopy as reason:
        raise _CannotCopyTrack(sound.index, str(reason)) from reason
