"""A recording that is served as HLS: its sound, its picture, or a piece of it, fetched and joined."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from shared.atomic import written_whole
from shared.errors import ExternalServiceError, UnsupportedFormat
from shared.net.deadline import Session
from shared.progress import Progress, silent
from shared.throttle import Throttle
from workers.download.concurrency import AdaptiveLimit
from workers.download.fetch_loop import fetch_in_order
from workers.download.hls import Addresses, Fetched, FetchSettings, SegmentFetcher
from workers.download.hls_join import Run, SegmentAt, check_gaps, join_sound, join_video
from workers.download.ledger import Entry, Kind, SegmentStore, check_space, disk_errors, fingerprint
from workers.download.playlist import Rendition, Segment, same_recording
from workers.download.sources import Part
from workers.media.audio_track import Sound
from workers.media.merge import merge
from workers.media.remux import probe

COPY_BYTES = 2**20
FETCH_SHARE = 0.9  # of the progress; joining is the rest
TELL_EVERY_S = 0.25
USUAL_SOUND_BITS = 200_000
USUAL_PICTURE_BITS = 8_000_000
LARGEST_BITS = 100_000_000
SPACE_FACTOR = 2.1  # fetched segments and what is joined from them are on disk together

Purpose = Literal["sound", "picture"]


class Playlist(NamedTuple):
    rendition: Rendition
    segments: Sequence[Segment]


class FetchedRuns(NamedTuple):
    """What was fetched of `segments`, and the files it is in."""

    segments: Sequence[Segment]
    entries: list[Entry]
    runs: list[Run]


class HlsRecording:
    """Fetches from the playlist that `load` finds; `load` is asked again when addresses run out.

    load: the playlist for a purpose, None when there is no picture.  replacement: where the muted version of a
    segment's address is, for sites that have such.
    """

    def __init__(
        self,
        session: Session,
        load: Callable[[Purpose], Playlist | None],
        *,
        settings: FetchSettings,
        min_free_bytes: int,
        replacement: Callable[[str], str | None] = lambda _url: None,
    ) -> None:
        self._session = session
        self._load = load
        self._settings = settings
        self._min_free = min_free_bytes
        self._replacement = replacement
        self._playlists: dict[Purpose, tuple[Playlist, Addresses]] = {}
        self._limit = AdaptiveLimit(settings.at_once)  # what was learnt of the link holds for all that is fetched

    def sound(self, into: Path, *, work: Path, progress: Progress) -> Sound:
        """Write the sound to `into` (m4a)."""
        fetched = self.fetch("sound", work=work, progress=progress)
        check_gaps(fetched.segments, [entry.number for entry in fetched.entries if entry.size])
        sound = join_sound(fetched.runs, fetched.segments, into, progress=_later(progress))
        return sound._replace(warnings=(*_losses(fetched.segments, fetched.entries), *sound.warnings))

    def video(self, into: Path, *, work: Path, progress: Progress) -> None:
        """Write picture and sound to `into` (mp4)."""
        fetched = self.fetch("picture", work=work, progress=progress)
        check_gaps(fetched.segments, [entry.number for entry in fetched.entries if entry.size])
        join_video(fetched.runs, fetched.segments, into, progress=_later(progress))
        if not probe(into).has_sound:
            sound = work / "sound.m4a"
            self.sound(sound, work=work, progress=silent)
            _add_sound(into, sound, 0.0)

    def part(self, start_s: float, end_s: float, *, work: Path) -> Part | None:
        """An mp4 of the segments under start_s to end_s; None when there is no picture there."""
        picture = self._span("picture", start_s, end_s, work=work)
        if picture is None or probe(picture.path).has_sound:
            return picture
        sound = self._span("sound", start_s, end_s, work=work)
        if sound is not None:
            _add_sound(picture.path, sound.path, sound.begins_at_seconds - picture.begins_at_seconds)
        return picture

    def _span(self, purpose: Purpose, start_s: float, end_s: float, *, work: Path) -> Part | None:
        if purpose not in self._playlists:
            found = self._load(purpose)
            if found is None:
                return None
            self._playlists[purpose] = found, self._addresses(purpose, found)
        playlist, addresses = self._playlists[purpose]
        wanted = [one for one in playlist.segments if one.ends_s > start_s and one.starts_s < end_s]
        if not wanted:
            return None
        folder = work / "parts" / purpose / fingerprint(playlist.rendition.name, playlist.segments)[:16]
        folder.mkdir(parents=True, exist_ok=True)
        check_space(folder, needed_bytes=_estimate(playlist.rendition, wanted), min_free_bytes=self._min_free)
        cache = _SegmentCache(folder)
        missing = [one.number for one in wanted if cache.kind(one.number) is None]
        fetcher = self._fetcher(addresses, folder)
        for fetched in fetch_in_order(missing, fetcher, tick=lambda: None):
            cache.put(fetched)
        return _join_part(cache, wanted, playlist.segments, folder, purpose)

    def _addresses(self, purpose: Purpose, playlist: Playlist) -> Addresses:
        def renew() -> Sequence[Segment]:
            fresh = self._load(purpose)
            if fresh is None or not same_recording(playlist.segments, fresh.segments):
                raise ExternalServiceError("The recording changed while it was fetched.")
            return fresh.segments

        return Addresses(playlist.segments, renew)

    def _fetcher(self, addresses: Addresses, folder: Path) -> SegmentFetcher:
        return SegmentFetcher(
            self._session,
            addresses,
            settings=self._settings,
            folder=folder,
            limit=self._limit,
            replacement=self._replacement,
        )

    def fetch(self, purpose: Purpose, *, work: Path, progress: Progress) -> FetchedRuns:
        """All segments of a rendition, those of earlier tries included, as the server gave them."""
        playlist = self._load(purpose)
        if playlist is None:
            raise UnsupportedFormat("The recording has no picture.")
        segments = playlist.segments
        folder = work / purpose
        folder.mkdir(parents=True, exist_ok=True)
        run_of = run_numbers(segments)
        key = fingerprint(playlist.rendition.name, segments)
        with SegmentStore(folder, key=key, min_free_bytes=self._min_free) as store:
            left = range(len(store.entries), len(segments))
            needed = _estimate(playlist.rendition, segments[left.start :])
            check_space(folder, needed_bytes=needed, min_free_bytes=self._min_free)
            fetcher = self._fetcher(self._addresses(purpose, playlist), folder)
            meter = _Meter(len(segments), left.start, fetcher, progress)
            for fetched in fetch_in_order(left, fetcher, tick=meter.tick):
                number = fetched.segment.number
                store.append(number, fetched.kind, fetched.body, run=run_of[number], init=fetched.init)
                meter.finished(len(fetched.body))
            return FetchedRuns(segments, store.entries, _runs(store.entries, store.path))


class _Meter:
    """Progress of a fetch, from finished segments and the bytes of those on their way."""

    def __init__(self, total: int, done: int, fetcher: SegmentFetcher, progress: Progress) -> None:
        self._total = total
        self._done = self._first = done
        self._fetcher = fetcher
        self._progress = progress
        self._bytes = 0
        self._told = 0.0
        self._throttle = Throttle(TELL_EVERY_S)

    def finished(self, size: int) -> None:
        self._done += 1
        self._bytes += size

    def tick(self) -> None:
        if not self._throttle.is_due():
            return
        fetched = self._done - self._first
        # Bytes of tries that failed are counted too, so the guess is kept under one segment.
        under_way = (self._fetcher.bytes_read - self._bytes) / max(self._bytes / fetched, 1.0) if fetched else 0.0
        done = (self._done + min(max(under_way, 0.0), 0.99)) / max(self._total, 1)
        self._told = max(self._told, min(done, 1.0) * FETCH_SHARE)
        self._progress(self._told)


def _later(progress: Progress) -> Progress:
    return lambda fraction: progress(FETCH_SHARE + (1 - FETCH_SHARE) * fraction)


def run_numbers(segments: Sequence[Segment]) -> list[int]:
    """For each segment the run it belongs to: a new one begins at a discontinuity and at a new initialisation."""
    numbers: list[int] = []
    run = 0
    for before, segment in zip([None, *segments], segments, strict=False):
        if before is not None and (segment.discontinuity or segment.init != before.init):
            run += 1
        numbers.append(run)
    return numbers


def _runs(entries: Sequence[Entry], path: Callable[[int], Path]) -> list[Run]:
    runs: dict[int, list[SegmentAt]] = {}
    for entry in entries:
        if entry.size:
            runs.setdefault(entry.run, []).append(SegmentAt(entry.offset, entry.number))
    return [Run(path(run), tuple(held)) for run, held in runs.items()]


def _estimate(rendition: Rendition, segments: Sequence[Segment]) -> int:
    usual = USUAL_SOUND_BITS if rendition.sound_only else USUAL_PICTURE_BITS
    bits = min(rendition.bandwidth or usual, LARGEST_BITS)
    return int(sum(segment.seconds for segment in segments) * bits / 8 * SPACE_FACTOR)


def _losses(segments: Sequence[Segment], entries: Sequence[Entry]) -> tuple[str, ...]:
    """What the user should know about segments that the server no longer had."""
    warnings = []
    for kind, saying in (("missing", "are gone from the server and silent here"), ("muted", "were muted by the site")):
        lost = [segments[entry.number].seconds for entry in entries if entry.kind == kind]
        if lost:
            warnings.append(f"{len(lost)} of {len(entries)} segments ({sum(lost):.0f} s) {saying}.")
    return tuple(warnings)


class _SegmentCache:
    """Segments that clips share, each in a file of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def kind(self, number: int) -> Kind | None:
        kinds: tuple[Kind, ...] = ("ok", "muted", "missing")
        return next((kind for kind in kinds if self.path(number, kind).exists()), None)

    def put(self, fetched: Fetched) -> None:
        with disk_errors():
            if fetched.init:
                with written_whole(self.init_path(fetched.segment)) as temporary:
                    temporary.write_bytes(fetched.init)
            path = self.path(fetched.segment.number, fetched.kind)
            with written_whole(path) as temporary, temporary.open("wb") as file:
                fetched.body.copy_into(file)

    def read_init(self, segment: Segment) -> bytes:
        return self.init_path(segment).read_bytes() if segment.init else b""

    def init_path(self, segment: Segment) -> Path:
        return self._folder / f"{segment.number:06d}.init"

    def path(self, number: int, kind: Kind) -> Path:
        return self._folder / f"{number:06d}.{kind}"


def _join_part(
    cache: _SegmentCache, wanted: Sequence[Segment], segments: Sequence[Segment], folder: Path, purpose: Purpose
) -> Part | None:
    into = folder / f"part-{wanted[0].number:06d}-{wanted[-1].number:06d}.mp4"
    origin_s = wanted[0].starts_s
    part = Part(into, origin_s)
    if into.exists():
        return part
    runs = _write_runs(cache, wanted, folder)
    if not runs or (purpose == "picture" and not probe(runs[0].path).has_picture):
        return None
    join = join_video if purpose == "picture" else join_sound
    with written_whole(into) as temporary:
        join(runs, segments[: wanted[-1].number + 1], temporary, origin_s=origin_s, progress=silent)
    for run in runs:
        run.path.unlink()
    return part


def _add_sound(picture: Path, sound: Path, later_s: float) -> None:
    """Put the sound that was served apart into the mp4 at `picture`."""
    with written_whole(picture) as temporary:
        merge(picture, sound, temporary, sound_later_s=later_s)


def _write_runs(cache: _SegmentCache, wanted: Sequence[Segment], folder: Path) -> list[Run]:
    runs: dict[int, list[SegmentAt]] = {}
    run_of = run_numbers(wanted)
    with disk_errors():
        for run, segment in zip(run_of, wanted, strict=True):
            kind = cache.kind(segment.number)
            if kind is None or kind == "missing":
                continue
            path = folder / f"run-{run}.bin"
            with path.open("ab" if run in runs else "wb") as file:
                if run not in runs:
                    file.write(cache.read_init(segment))
                runs.setdefault(run, []).append(SegmentAt(file.tell(), segment.number))
                with cache.path(segment.number, kind).open("rb") as body:
                    shutil.copyfileobj(body, file, COPY_BYTES)
    return [Run(folder / f"run-{run}.bin", tuple(held)) for run, held in runs.items()]
