"""A recording that lies in several files in the media folder, such as OBS splits it: one timeline."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path
from typing import NamedTuple

from shared.atomic import written_whole
from shared.errors import ChatUnavailable, InvalidRequest, UnsupportedFormat, VideoSizeExceeded
from shared.progress import Progress, share_of, silent
from shared.records import Measured, Video, VideoPart
from workers.download.local import LocalSource, regular_file
from workers.download.sources import ChatSummary, Part
from workers.download.whole_file import part_of
from workers.media.audio_track import Sound
from workers.media.clip_filters import Shape
from workers.media.clips import MOST_THREADS, cut_clip
from workers.media.demux import LEAD_IN_S
from workers.media.extent import length_s
from workers.media.ffmpeg import ffmpeg_path
from workers.media.join import PicturePiece, SoundPiece, can_be_copied, join_pictures, join_sound
from workers.media.measure import measure
from workers.media.remux import copy_sound, probe
from workers.media.sound_choice import choose_sound

COPIED_SHARE = 0.6  # of the time that the sound takes; the rest is joining
SHORTEST_S = 0.04  # a shorter piece of a file at a joint may have no picture of its own
ENCODED_AT_ONCE_S = 60.0
DEFAULT_SIZE, DEFAULT_RATE = (1280, 720), Fraction(30)


class _Stretch(NamedTuple):
    """start_s to end_s of the timeline, all of it in file number `number`."""

    number: int
    start_s: float
    end_s: float


class JoinedSource:
    """The recording whose parts are the files `names` below `root`; see `sources.Source`.

    audio_track: the sound track to use, from 1; None for the one that the first part chooses.  known: the parts as
    `fetch_sound` told them, empty before.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        root: Path,
        max_hours: float,
        audio_track: int | None = None,
        known: Sequence[VideoPart] = (),
        threads: int = MOST_THREADS,
    ) -> None:
        self._names = tuple(names)
        self._root = root
        self._max_s = max_hours * 3600
        self._audio_track = audio_track
        self._known = tuple(known)
        self._threads = threads

    def describe(self) -> Video:
        """What the headers of all parts tell, named by the first.

        Raises what LocalSource.describe does, with the part's name, and UnsupportedFormat when only some have a
        picture.
        """
        videos, pictures = [], set()
        for name in self._names:
            with _named(name):
                part = LocalSource(name, root=self._root, max_hours=self._max_s / 3600, audio_track=self._audio_track)
                videos.append(part.describe())
                pictures.add(probe(self._path(name)).has_picture)
                if len(pictures) > 1:
                    raise UnsupportedFormat("Either all parts of a recording have a picture, or none.")
        lengths = [video.duration_seconds for video in videos]
        known = [length for length in lengths if length is not None]
        self._check_length(sum(known))
        return replace(videos[0], duration_seconds=None)

    def measure(self, *, work: Path) -> Measured:
        """See `measure.measure`; of the first part."""
        return measure(self._path(self._names[0]))

    def fetch_sound(self, into: Path, *, work: Path, progress: Progress) -> Sound:
        """Write the sound of all parts to `into`, each of its length on the timeline."""
        choice = choose_sound(self._path(self._names[0]), asked=self._audio_track, tick=lambda: progress(0.0))
        parts: list[VideoPart] = []
        names_of: dict[str, list[str]] = {}
        copies = share_of(progress, 0, COPIED_SHARE)
        for index, name in enumerate(self._names):
            share = share_of(copies, index / len(self._names), (index + 1) / len(self._names))
            with _named(name):
                seconds, warnings = self._copy_sound(index, choice.track, _sound_copy(work, index), share)
            begins_s = parts[-1].begins_at_seconds + parts[-1].duration_seconds if parts else 0.0
            parts.append(
                VideoPart(
                    file_name=Path(name).name,
                    begins_at_seconds=round(begins_s, 6),
                    duration_seconds=seconds,
                    start_timecode=measure(self._path(name)).start_timecode,
                )
            )
            self._check_length(begins_s + seconds)
            for warning in warnings:
                names_of.setdefault(warning, []).append(name)
        self._known = tuple(parts)
        join_sound(self._sounds(work), into, progress=share_of(progress, COPIED_SHARE, 1))
        return Sound(
            round(self._length_s(), 3),
            (*choice.warnings, *self._grouped(names_of)),
            track=choice.track,
            tracks=choice.tracks,
            parts=self._known,
        )

    def _copy_sound(self, index: int, wanted: int, into: Path, progress: Progress) -> tuple[float, tuple[str, ...]]:
        """The part's length on the timeline, and warnings."""
        path = self._path(self._names[index])
        track = _track_of(path, wanted)
        lacking = () if track == wanted else (f"There is no sound track {wanted}: track {track} was used.",)
        sound = copy_sound(path, into, track=track, progress=progress, max_seconds=self._max_s)
        seconds = length_s(path, track=track)
        # Timestamps that jump back hide sound from the one who looks at the last of them only.
        if sound.duration_seconds > seconds + LEAD_IN_S:
            seconds = sound.duration_seconds
        return round(seconds, 6), (*lacking, *sound.warnings)

    def _grouped(self, names_of: dict[str, list[str]]) -> Iterator[str]:
        for warning, names in names_of.items():
            yield warning if len(names) == len(self._names) else f"{', '.join(names)}: {warning}"

    def fetch_video(self, into: Path, *, work: Path, progress: Progress) -> None:
        """Write picture and sound of all parts to `into`: copied where all are coded alike, else in the first's shape.

        Of the sound, the track that is used is in it.  `fetch_sound` has to have been called.
        """
        sound = work / "joined.m4a"
        join_sound(self._sounds(work), sound, progress=lambda _done: progress(0.0))
        parts = [self._part(index) for index in range(len(self._names))]
        if can_be_copied([part.path for part in parts]):
            pieces = [PicturePiece(part.path, part.begins_at_seconds) for part in parts]
            join_pictures(pieces, sound, into, progress=progress)
            return
        stretches = [piece for one in self._stretches(0.0, self._length_s()) for piece in _short(one)]
        encoded = []
        for number, stretch in enumerate(stretches):
            encoded.append(self._encode(stretch, work / f"stretch-{number}.mp4"))
            progress(0.9 * (number + 1) / len(stretches))
        pieces = [PicturePiece(path, one.start_s) for path, one in zip(encoded, stretches, strict=True)]
        join_pictures(pieces, sound, into, progress=share_of(progress, 0.9, 1))
        for path in encoded:
            path.unlink()

    def fetch_part(self, start_s: float, end_s: float, *, work: Path) -> Part | None:
        """The file that holds start_s to end_s; over a joint, a file with both sides in the first part's shape."""
        if not probe(self._path(self._names[0])).has_picture:
            return None
        stretches = self._stretches(start_s, end_s)
        if len(stretches) == 1:
            return self._part(stretches[0].number)
        into = work / f"over-{start_s:.3f}-{end_s:.3f}.mp4"
        if not into.exists():
            self._join_over(stretches, into)
        return Part(into, stretches[0].start_s)

    def _join_over(self, stretches: Sequence[_Stretch], into: Path) -> None:
        encoded = [self._encode(one, into.with_suffix(f".{one.number}.mp4")) for one in stretches]
        sound, origin_s = into.with_suffix(".m4a"), stretches[0].start_s
        sounds = [SoundPiece(path, one.end_s - one.start_s) for path, one in zip(encoded, stretches, strict=True)]
        join_sound(sounds, sound, progress=silent)
        pieces = [PicturePiece(path, one.start_s - origin_s) for path, one in zip(encoded, stretches, strict=True)]
        with written_whole(into) as temporary:
            join_pictures(pieces, sound, temporary, progress=silent)
        for path in (*encoded, sound):
            path.unlink()

    def _encode(self, stretch: _Stretch, into: Path) -> Path:
        """The stretch as an mp4 in the first part's shape; one that an earlier try has left is taken."""
        part = self._part(stretch.number)
        if not into.exists():
            cut_clip(
                part.path,
                begins_at_s=part.begins_at_seconds,
                start_s=stretch.start_s,
                end_s=stretch.end_s,
                into=into,
                sound=part.sound,
                shape=self._shape(),
                ffmpeg=ffmpeg_path(),
                threads=self._threads,
            )
        return into

    def _shape(self) -> Shape:
        first = measure(self._path(self._names[0]))
        width, height = (first.width, first.height) if first.width and first.height else DEFAULT_SIZE
        return Shape(width, height, Fraction(first.frame_rate) if first.frame_rate else DEFAULT_RATE)

    def _stretches(self, start_s: float, end_s: float) -> list[_Stretch]:
        """What of the parts lies between start_s and end_s: one piece at least, and none that is too short."""
        found = []
        for index, part in enumerate(self._known):
            begins_s = part.begins_at_seconds
            piece = _Stretch(index, max(start_s, begins_s), min(end_s, begins_s + part.duration_seconds))
            found.append(piece)
        long = [piece for piece in found if piece.end_s - piece.start_s >= SHORTEST_S]
        return long or [max(found, key=lambda piece: piece.end_s - piece.start_s)]

    def fetch_chat(self, into: Path, *, work: Path, progress: Progress) -> ChatSummary:
        """There is none beside a file."""
        raise ChatUnavailable("No chat file was given.")

    def _part(self, index: int) -> Part:
        """File number `index` on the timeline. Raises UnsupportedFormat when it has no picture."""
        path = self._path(self._names[index])
        with _named(self._names[index]):
            part = part_of(path, asked=_track_of(path, self._audio_track or 1))
            if part is None:
                raise UnsupportedFormat("There is no picture.")
        begins_s = self._known[index].begins_at_seconds
        return part._replace(begins_at_seconds=part.begins_at_seconds + begins_s)

    def _path(self, name: str) -> Path:
        return regular_file(self._root, name)

    def _sounds(self, work: Path) -> list[SoundPiece]:
        return [SoundPiece(_sound_copy(work, at), part.duration_seconds) for at, part in enumerate(self._known)]

    def _length_s(self) -> float:
        return sum(part.duration_seconds for part in self._known)

    def _check_length(self, seconds: float) -> None:
        if seconds > self._max_s:
            raise VideoSizeExceeded(
                f"The parts are {seconds / 3600:.1f} hours long together; {self._max_s / 3600:g} are allowed."
            )


def _sound_copy(work: Path, index: int) -> Path:
    return work / f"sound-{index}.m4a"


def _track_of(path: Path, wanted: int) -> int:
    """The sound track to use of a part that may have fewer than the others."""
    if wanted <= probe(path).sound_tracks:
        return wanted
    return choose_sound(path, asked=None).track


def _short(stretch: _Stretch) -> list[_Stretch]:
    """The same in pieces that are encoded in a minute or so each, since encoding tells no progress."""
    count = max(1, round((stretch.end_s - stretch.start_s) / ENCODED_AT_ONCE_S))
    step_s = (stretch.end_s - stretch.start_s) / count
    ends = [*accumulate([step_s] * (count - 1), initial=stretch.start_s), stretch.end_s]
    return [_Stretch(stretch.number, start_s, end_s) for start_s, end_s in pairwise(ends)]


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Errors that don't name the file they are about do so."""
    try:
        yield
    except UnsupportedFormat as error:
        raise UnsupportedFormat(f"{name}: {error.detail}") from error
    except InvalidRequest as error:
        raise InvalidRequest(f"{name}: {error.detail}", errors=error.errors) from error
