"""What is taken of a recording that lies on this machine as one file."""

from pathlib import Path

from shared.progress import Progress
from workers.download.sources import Part
from workers.media.audio_track import Sound
from workers.media.remux import copy_sound, probe, zero_s
from workers.media.sound_choice import choose_sound


def copy_chosen_sound(path: Path, into: Path, *, asked: int | None, progress: Progress, max_seconds: float) -> Sound:
    """Write the sound track that was asked for, or the one to use, to `into` (m4a); see `remux.copy_sound`."""
    choice = choose_sound(path, asked=asked, tick=lambda: progress(0.0))
    sound = copy_sound(path, into, track=choice.track, progress=progress, max_seconds=max_seconds)
    warnings = (*choice.warnings, *sound.warnings)
    return sound._replace(warnings=warnings, track=choice.track, tracks=choice.tracks)


def part_of(path: Path, *, asked: int | None) -> Part | None:
    """All of the file as the part to cut from; None when it has no picture."""
    info = probe(path)
    if not info.has_picture:
        return None
    track = choose_sound(path, asked=asked).track if info.has_sound else 1
    return Part(path, -zero_s(path, track=track), track - 1)
