"""What a job holds besides its state: the recording it is about, what went wrong, what it waited for."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class Record:
    """Turned into JSON where it leaves the process, and back where it comes in."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        """Out of JSON; members that this version does not know are left out. Raises TypeError when one is missing."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in members.items() if name in known})


@dataclass(frozen=True, kw_only=True)
class Video(Record):
    """What is known about a recording; None where it is not known."""

    id: str
    source: str  # twitch, local or direct
    title: str | None = None
    channel: str | None = None
    duration_seconds: float | None = None
    created_at: str | None = None
    game: str | None = None
    views: int | None = None
    audio_track: int | None = None  # the sound track that was used, from 1
    audio_tracks: int | None = None  # how many there are
    watch_url: str | None = None  # a page that plays it; "?t=" with seconds is added by the highlights


@dataclass(frozen=True, kw_only=True)
class JobError(Record):
    """Why a job ended: the members of an RFC 9457 problem, with the stage and the attempt it ended in."""

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
    stage: str | None
    attempt: int
    errors: dict[str, Any] | None = None  # by field, on validation

    def as_dict(self) -> dict[str, Any]:
        members = super().as_dict()
        if self.errors is None:
            del members["errors"]
        return members


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
