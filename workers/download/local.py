"""Recordings that lie in the media folder of this machine."""

import os
import stat
from pathlib import Path

from shared.errors import (
    ChatUnavailable,
    FileMissing,
    PermissionDenied,
    UnsupportedFormat,
    VideoSizeExceeded,
)
from shared.progress import Progress
from shared.records import Measured, Video
from workers.download.sources import ChatSummary, Part
from workers.download.whole_file import copy_chosen_sound, part_of
from workers.media.audio_track import Sound
from workers.media.copy_video import copy_video
from workers.media.measure import measure
from workers.media.remux import probe
from workers.media.sound_choice import check_track, choose_sound

OUTSIDE = "The name leads out of the media folder."


class LocalSource:
    """The recording `name` below `root`; see `sources.Source`.

    audio_track: the sound track to use, from 1; None to choose one.
    """

    def __init__(self, name: str, *, root: Path, max_hours: float, audio_track: int | None = None) -> None:
        self._name = name
        self._root = root
        self._max_hours = max_hours
        self._audio_track = audio_track

    def describe(self) -> Video:
        """What the recording's headers tell.

        Raises FileMissing, PermissionDenied (names that lead out), UnsupportedFormat (no recording, no sound),
        InvalidRequest (no such sound track), VideoSizeExceeded.
        """
        info = probe(self._recording())
        if not info.has_sound:
            raise UnsupportedFormat("The recording has no sound.")
        check_track(self._audio_track, info.sound_tracks)
        if info.duration_s is not None and info.duration_s > self._max_hours * 3600:
            raise VideoSizeExceeded(
                f"The recording is {info.duration_s / 3600:.1f} hours long; {self._max_hours:g} are allowed."
            )
        return Video(
            id=f"file:{self._name}",
            source="local",
            title=Path(self._name).stem,
            duration_seconds=info.duration_s,
            file_name=Path(self._name).name,
        )

    def measure(self, *, work: Path) -> Measured:
        """See `measure.measure`."""
        return measure(self._recording())

    def fetch_sound(self, into: Path, *, work: Path, progress: Progress) -> Sound:
        """Write the sound to `into`; see `remux.copy_sound`."""
        return copy_chosen_sound(
            self._recording(), into, asked=self._audio_track, progress=progress, max_seconds=self._max_hours * 3600
        )

    def fetch_video(self, into: Path, *, work: Path, progress: Progress) -> None:
        """Write picture and sound to `into`; see `copy_video.copy_video`."""
        track = choose_sound(self._recording(), asked=self._audio_track).track
        copy_video(self._recording(), into, track=track, progress=progress, max_seconds=self._max_hours * 3600)

    def fetch_part(self, start_s: float, end_s: float, *, work: Path) -> Part | None:
        """The recording itself: nothing has to be fetched."""
        return part_of(self._recording(), asked=self._audio_track)

    def fetch_chat(self, into: Path, *, work: Path, progress: Progress) -> ChatSummary:
        """There is none beside a file."""
        raise ChatUnavailable("No chat file was given.")

    def _recording(self) -> Path:
        return regular_file(self._root, self._name)


def regular_file(root: Path, name: str) -> Path:
    """The regular, readable file `name` below `root`, links followed but never out of `root`.

    Raises PermissionDenied, FileMissing, and UnsupportedFormat for folders, devices and pipes.
    """
    path = inside(root, name)
    try:
        mode = path.stat().st_mode
    except PermissionError as error:
        raise PermissionDenied(f"{name} may not be read.") from error
    except OSError as error:
        raise FileMissing(f"There is no file {name} in the media folder.") from error
    if stat.S_ISDIR(mode):
        raise UnsupportedFormat(f"{name} is a folder, not a file.")
    if not stat.S_ISREG(mode):
        raise UnsupportedFormat(f"{name} is not a regular file.")
    if not os.access(path, os.R_OK):
        raise PermissionDenied(f"{name} may not be read.")
    return path


def inside(root: Path, name: str) -> Path:
    """`root`/`name` with all links followed. Raises PermissionDenied when that is not below `root`."""
    if not name or not name.isprintable():
        raise FileMissing("The name is empty or holds characters that can't be printed.")
    real_root = os.path.realpath(root)
    parts = Path(name).parts
    if Path(name).is_absolute() or ".." in parts or "~" in parts[:1]:
        raise PermissionDenied(OUTSIDE)
    real = os.path.realpath(Path(real_root, name))
    if not Path(real).is_relative_to(real_root):
        raise PermissionDenied(OUTSIDE)
    return Path(real)
