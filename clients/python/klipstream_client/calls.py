"""The calls of the API as values: what is sent, what may be sent again, what the answer is. Nothing here does I/O."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar, cast
from urllib.parse import quote
from uuid import uuid4

from .answers import (
    Deliveries,
    ExportFormat,
    Headers,
    Highlight,
    HighlightEdit,
    Job,
    Jobs,
    JobStatus,
    Manifest,
    Options,
    Results,
    Status,
)
from .errors import Unreachable, api_error

API = "/api/v1"
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Answer(NamedTuple):
    """What came back. headers: names in lower case."""

    url: str
    status: int
    headers: Headers
    body: bytes


class Polled(NamedTuple):
    """status: None when it has not changed since the tag that was sent."""

    status: Status | None
    etag: str | None


@dataclass(frozen=True, kw_only=True)
class Call(Generic[T_co]):
    """One request. is_repeatable: doing it twice does no more than doing it once."""

    method: str
    path: str
    read: Callable[[Answer], T_co]
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Headers = field(default_factory=dict)
    body: object = None
    is_repeatable: bool = True


def job_path(job_id: str, *parts: str) -> str:
    """The address of a job, or of something below it."""
    return "/".join((f"{API}/analysis/{quote(job_id, safe='')}", *parts))


def file_path(job_id: str, name: str) -> str:
    """The address of a job's file."""
    return job_path(job_id, "files", quote(name))


def submit(
    url: str,
    *,
    chat_url: str | None,
    callback_url: str | None,
    options: Options | None,
    idempotency_key: str | None,
    force: bool,
) -> Call[Job]:
    """A submission. Its idempotency key, made when none is given, is what makes it safe to send again."""
    body: dict[str, object] = {"url": url}
    given = {"chat_url": chat_url, "callback_url": callback_url, "options": options}
    body |= {name: value for name, value in given.items() if value is not None}
    return Call(
        method="POST",
        path=f"{API}/analysis",
        read=_a_job,
        params={"force": "true"} if force else {},
        headers={"Idempotency-Key": idempotency_key or uuid4().hex},
        body=body,
    )


def job(job_id: str) -> Call[Job]:
    return Call(method="GET", path=job_path(job_id), read=_a_job)


def status(job_id: str, *, etag: str | None = None) -> Call[Polled]:
    headers = {"If-None-Match": etag} if etag else {}
    return Call(method="GET", path=job_path(job_id, "status"), read=_a_status, headers=headers)


def jobs(*, status: JobStatus | None, video_id: str | None, limit: int, cursor: str | None) -> Call[Jobs]:
    given = {"status": status, "video_id": video_id, "limit": str(limit), "cursor": cursor}
    params = {name: value for name, value in given.items() if value is not None}
    return Call(method="GET", path=f"{API}/jobs", read=_typed(Jobs, "jobs", "next_cursor"), params=params)


def cancel(job_id: str) -> Call[Job]:
    return Call(method="POST", path=job_path(job_id, "cancel"), read=_a_job, is_repeatable=False)


def retry(job_id: str) -> Call[Job]:
    return Call(method="POST", path=job_path(job_id, "retry"), read=_a_job, is_repeatable=False)


def results(job_id: str) -> Call[Results]:
    return Call(method="GET", path=job_path(job_id, "results"), read=_typed(Results, "job_id", "highlights"))


def manifest(job_id: str) -> Call[Manifest]:
    return Call(method="GET", path=file_path(job_id, "manifest.json"), read=_typed(Manifest, "job_id", "files"))


def export(job_id: str, form: ExportFormat) -> Call[bytes]:
    return Call(method="GET", path=job_path(job_id, "export", quote(form, safe="")), read=_its_bytes)


def small_file(job_id: str, name: str) -> Call[bytes]:
    return Call(method="GET", path=file_path(job_id, name), read=_its_bytes)


def edit_highlight(job_id: str, rank: int, edit: HighlightEdit) -> Call[Highlight]:
    return Call(
        method="PATCH",
        path=job_path(job_id, "highlights", str(rank)),
        read=_typed(Highlight, "rank", "start_seconds", "end_seconds"),
        body=edit,
    )


def deliveries(job_id: str) -> Call[Deliveries]:
    return Call(method="GET", path=job_path(job_id, "deliveries"), read=_typed(Deliveries, "deliveries"))


def refuse_errors(answer: Answer) -> None:
    """Raises ApiError for a problem, Unreachable for an error that is none of KlipStream's."""
    if answer.status >= 400:
        raise api_error(answer.status, _an_object(answer), retry_after=answer.headers.get("retry-after"))


def read_object(text: str | bytes) -> dict[str, object]:
    """A JSON object. Raises ValueError."""
    try:
        found: object = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found


def _an_object(answer: Answer) -> dict[str, object]:
    try:
        return read_object(answer.body)
    except ValueError:
        raise Unreachable(f"{answer.url} is not KlipStream (it answered {answer.status})") from None


def _typed(kind: type[T], *members: str) -> Callable[[Answer], T]:
    """Reads an object of this TypedDict, known by the members that its users can't do without."""

    def read(answer: Answer) -> T:
        found = _an_object(answer)
        if missing := [name for name in members if name not in found]:
            raise Unreachable(f"{answer.url} is not KlipStream ({', '.join(missing)} missing)")
        return cast("T", found)

    return read


_a_job = _typed(Job, "job_id", "status", "progress", "results", "error")
_read_status = _typed(Status, "status", "progress", "error")


def _a_status(answer: Answer) -> Polled:
    return Polled(None if answer.status == 304 else _read_status(answer), answer.headers.get("etag"))


def _its_bytes(answer: Answer) -> bytes:
    return answer.body
