"""What every kind of recording can do, wherever it comes from."""

from pathlib import Path
from typing import NamedTuple, Protocol

from shared.progress import Progress
from shared.records import Measured, Video
from workers.media.audio_track import Sound


class ChatSummary(NamedTuple):
    """gaps: seconds [start, end) of the recording whose comments could not be had."""

    messages: int
    warnings: tuple[str, ...] = ()
    gaps: tuple[tuple[float, float], ...] = ()


class Part(NamedTuple):
    """A local media file that holds a piece of the recording.

    begins_at_seconds: what of the recording the file's timestamp 0 is.  sound: which of its sound tracks, from 0.
    """

    path: Path
    begins_at_seconds: float
    sound: int = 0


class Source(Protocol):
    """One recording. Every method raises typed errors (`shared.errors`); `work` is a folder for files in progress.

    What is in `work` when a method starts again was left there by an earlier try of the same stage and may be used.
    """

    def describe(self) -> Video:
        """Look the recording up; refuse it here if it can't be analysed, before anything big is fetched."""

    def measure(self, *, work: Path) -> Measured:
        """What editors have to know about its picture and sound, as far as it is known when the sound is fetched.

        `has_picture` is None where the picture has not been looked at: any part of it tells the rest.
        """

    def fetch_sound(self, into: Path, *, work: Path, progress: Progress) -> Sound:
        """Write the sound track to `into` (m4a), not re-encoded where the codec allows."""

    def fetch_video(self, into: Path, *, work: Path, progress: Progress) -> None:
        """Write the whole picture and sound to `into` (mp4), not re-encoded where the codecs allow."""

    def fetch_part(self, start_s: float, end_s: float, *, work: Path) -> Part | None:
        """A local file that covers start_s to end_s of the recording; None when it has no picture."""

    def fetch_chat(self, into: Path, *, work: Path, progress: Progress) -> ChatSummary:
        """Write `chat.jsonl` to `into`. Raises ChatUnavailable when there is none."""
