"""What a job holds besides its state: the recording it is about, what went wrong, what it waited for."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Self

from shared.files import URL_FILES


@dataclass(frozen=True, kw_only=True)
class Record:
    """Turned into JSON where it leaves the process, and back where it comes in."""

    def as_dict(self) -> dict[str, object]:
        """Its members by name, records within it too."""
        return asdict(self)

    @classmethod
    def of(cls, members: Mapping[str, object]) -> Self:
        """Out of JSON; members that this version does not know are left out. Raises TypeError when one is missing."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in members.items() if name in known})


@dataclass(frozen=True, kw_only=True)
class Measured(Record):
    """What editors have to know about a recording's picture and sound; None where it is not known.

    frame_rate: frames a second as "30000/1001", the average where the rate varies.  width, height: square pixels as
    shown, rotation included.  start_timecode: as the camera or mixer wrote it.  audio_channels, audio_rate: of the main
    sound track.
    """

    has_picture: bool | None = None
    frame_rate: str | None = None
    variable_frame_rate: bool | None = None
    width: int | None = None
    height: int | None = None
    start_timecode: str | None = None
    audio_channels: int | None = None
    audio_rate: int | None = None


@dataclass(frozen=True, kw_only=True)
class VideoPart(Record):
    """One file of a recording in several: where it begins on the timeline of all, and how long it is."""

    file_name: str
    begins_at_seconds: float
    duration_seconds: float
    start_timecode: str | None = None


@dataclass(frozen=True, kw_only=True)
class Video(Measured):
    """What is known about a recording; None where it is not known."""

    id: str
    source: str  # twitch, local or direct
    title: str | None = None
    channel: str | None = None
    duration_seconds: float | None = None
    created_at: str | None = None
    game: str | None = None
    views: int | None = None
    watch_url: str | None = None  # a page that plays it; "?t=" with seconds is added by the highlights
    file_name: str | None = None  # of the recording, or what it is to be called when it is fetched
    audio_track: int | None = None  # the sound track that was used, from 1
    audio_tracks: int | None = None  # how many there are
    parts: tuple[VideoPart, ...] = ()  # of a recording in several files, in order

    @classmethod
    def of(cls, members: Mapping[str, object]) -> Self:
        """Out of JSON, with its parts."""
        parts = members.get("parts")
        told = parts if isinstance(parts, list | tuple) else ()
        return super().of({**members, "parts": tuple(map(VideoPart.of, told))})

    def measured(self, found: Measured) -> Self:
        """With what its picture and sound turned out to be."""
        return replace(self, **asdict(found))


@dataclass(frozen=True, kw_only=True)
class Results(Record):
    """What a job itself shows of its result document.

    highlights, clips, files: how many.  urls: addresses of files by the names of URL_FILES, which in JSON stand beside
    the other members; None for a file that there is not.
    """

    highlights: int
    clips: int
    files: int
    results_url: str
    urls: Mapping[str, str | None]

    def as_dict(self) -> dict[str, object]:
        """All on one level."""
        members = super().as_dict()
        del members["urls"]
        return {**members, **self.urls}

    @classmethod
    def of(cls, members: Mapping[str, object]) -> Self:
        """Out of JSON."""
        return super().of({**members, "urls": {name: members.get(name) for name in URL_FILES}})


@dataclass(frozen=True, kw_only=True)
class Problem(Record):
    """The members of RFC 9457 and ours. errors: by field, on validation."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    error_type: str
    retryable: bool
    retry_after_seconds: float | None
    suggested_action: str
    support_reference: str
    errors: Mapping[str, object] | None = None

    def as_dict(self) -> dict[str, object]:
        """Without `errors` where there are none, as RFC 9457 has it."""
        members = super().as_dict()
        if self.errors is None:
            del members["errors"]
        return members


@dataclass(frozen=True, kw_only=True)
class JobError(Problem):
    """Why a job ended: a problem with the stage and the attempt it ended in."""

    stage: str | None
    attempt: int


@dataclass(frozen=True, kw_only=True)
class RetryRecord(Record):
    """A stage that was put back. Times are UTC ISO 8601.

    code, detail: what it met.  at: since when it waits.  until: when it is tried again.
    """

    stage: str | None
    attempt: int
    code: str
    detail: str
    at: str
    until: str
