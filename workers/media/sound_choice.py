"""Which of a recording's sound tracks is analysed and cut: the one asked for, the default one, the first with sound."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Discard, Disposition

from shared.errors import InvalidRequest, UnsupportedFormat
from shared.net.edges import shortage
from workers.media.demux import MICROSECONDS, duration_of
from workers.media.demuxers import open_media

PROBES = 40  # places, spread over the recording, where it is listened to
PROBE_S = 0.25
WITHIN_S = 2.0  # of each place every track has to have its sound
SILENT_PEAK = 0.001  # of full scale, -60 dB; a microphone that is switched off is quieter


class SoundChoice(NamedTuple):
    """The track that is used, from 1, and how many there are."""

    track: int
    tracks: int
    warnings: tuple[str, ...] = ()


def choose_sound(path: Path, *, asked: int | None, tick: Callable[[], None] = lambda: None) -> SoundChoice:
    """The sound track to use of the recording at `path`.

    asked: the user's wish, from 1.  tick: called while it is listened to.  Raises UnsupportedFormat when the recording
    has no sound, InvalidRequest when it has no such track.
    """
    with open_media(path) as source:
        tracks = source.streams.audio
        if not tracks:
            raise UnsupportedFormat("The recording has no sound.")
        check_track(asked, len(tracks))
        if len(tracks) == 1:
            return SoundChoice(1, 1)
        if asked is not None:
            return SoundChoice(asked, len(tracks), (f"{_count(len(tracks))} Track {asked} was used, as asked.",))
        by_rank = sorted(tracks, key=lambda track: not track.disposition & Disposition.default)
        heard = _heard(source, tick)
        chosen = next((track for track in by_rank if track.index in heard), by_rank[0])
        return SoundChoice(tracks.index(chosen) + 1, len(tracks), (_told(tracks, chosen, heard),))


def check_track(asked: int | None, tracks: int) -> None:
    """Raise InvalidRequest when there is no such track."""
    if asked is not None and asked > tracks:
        raise InvalidRequest(
            f"There is no sound track {asked}. {_count(tracks)}",
            errors={"options.audio_track": [f"{_count(tracks)}"]},
        )


def silence_told(audio: Path) -> tuple[str, ...]:
    """A warning when nothing is heard in the sound track at `audio`."""
    with open_media(audio) as source:
        return () if _heard(source, lambda: None) else ("The sound is silent wherever it was listened to.",)


def _count(tracks: int) -> str:
    return "The recording has one sound track." if tracks == 1 else f"The recording has {tracks} sound tracks."


def _told(tracks: tuple[AudioStream, ...], chosen: AudioStream, heard: set[int]) -> str:
    default = " (its default)" if chosen.disposition & Disposition.default else ""
    silent = [str(number) for number, track in enumerate(tracks, 1) if track.index not in heard]
    quiet = f" Silent: {', '.join(silent)}." if silent else ""
    return (
        f"{_count(len(tracks))} Track {tracks.index(chosen) + 1}{default} was used.{quiet}"
        " Choose another one with audio_track."
    )


def _heard(source: InputContainer, tick: Callable[[], None]) -> set[int]:
    """Indexes of the streams in which something is heard, at some of the places."""
    tracks = source.streams.audio
    for stream in source.streams:
        stream.discard = Discard.default if stream in tracks else Discard.all
    length_s = duration_of(source) or 0.0
    begins_s = (source.start_time or 0) / MICROSECONDS
    heard: set[int] = set()
    for place in range(PROBES if length_s else 1):
        tick()
        _listen(source, begins_s + length_s * (place + 0.5) / PROBES, heard)
        if len(heard) == len(tracks):
            break
    return heard


def _listen(source: InputContainer, at_s: float, heard: set[int]) -> None:
    """Add the streams in which something is heard from `at_s` on."""
    left = {track.index: PROBE_S for track in source.streams.audio if track.index not in heard}
    try:
        source.seek(round(at_s * MICROSECONDS))
        for packet in source.demux(source.streams.audio):
            if not left or (packet.pts is not None and float(packet.pts * packet.time_base) > at_s + WITHIN_S):
                return
            if packet.stream_index not in left:
                continue
            with suppress(av.error.InvalidDataError):
                for frame in packet.decode():
                    if _peak(frame) > SILENT_PEAK:
                        heard.add(packet.stream_index)
                    left[packet.stream_index] -= frame.samples / frame.sample_rate
            if packet.stream_index in heard or left[packet.stream_index] <= 0:
                del left[packet.stream_index]
    except av.FFmpegError as error:
        if shortage(error) is not None:
            raise


def _peak(frame: av.AudioFrame) -> float:
    """The largest sample, 0-1."""
    resampler = av.AudioResampler(format="flt", layout=frame.layout, rate=frame.sample_rate)
    return max((float(np.abs(part.to_ndarray()).max(initial=0.0)) for part in resampler.resample(frame)), default=0.0)
