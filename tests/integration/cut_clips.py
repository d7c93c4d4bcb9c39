"""Clips as a job cuts them of a recording on the disk."""

from pathlib import Path

from tests.flash_and_beep import Seen, look_at
from workers.download.local import LocalSource
from workers.media.clips import cut_clip
from workers.media.ffmpeg import ffmpeg_path

START_S, END_S = 13.37, 17.61


def clip_of(recording: Path, into: Path, *, track: int, start_s: float = START_S, end_s: float = END_S) -> Seen:
    """A clip as a job makes it that asked for a sound track, from 1."""
    source = LocalSource(recording.name, root=recording.parent, max_hours=1, audio_track=track)
    part = source.fetch_part(start_s, end_s, work=into.parent)
    assert part is not None
    cut_clip(
        part.path,
        begins_at_s=part.begins_at_seconds,
        sound=part.sound,
        start_s=start_s,
        end_s=end_s,
        into=into,
        ffmpeg=ffmpeg_path(),
    )
    return look_at(into)
