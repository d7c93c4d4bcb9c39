"""The calls of the API as values: what is sent, what may be sent again, what the answer is. Nothing here does I/O."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar, cast
from urllib.parse import quote
from uuid import uuid4

from .answers import (
    BatchAnswers,
    Deliveries,
    Delivery,
    Headers,
    Highlight,
    Job,
    Jobs,
    Manifest,
    Pong,
    Results,
    Status,
    Token,
)
from .errors import Unreachable, api_error
from .inputs import ExportFormat, HighlightEdit, JobsQuery, Submission, SubmitArguments

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
    """One request.

    is_repeatable: doing it twice does no more than doing it once, by its nature or its key.
    is_kept: the answer is kept, to be asked for under its ETag the next time.
    """

    method: str
    path: str
    read: Callable[[Answer], T_co]
    params: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    headers: Headers = field(default_factory=dict)
    body: object = None
    is_repeatable: bool = True
    is_kept: bool = False


def job_path(job_id: str, *parts: str) -> str:
    """The address of a job, or of something below it."""
    return "/".join((f"{API}/analysis/{quote(job_id, safe='')}", *parts))


def file_path(job_id: str, name: str) -> str:
    """The address of a job's file."""
    return job_path(job_id, "files", quote(name))


def submit(url: str, given: SubmitArguments) -> Call[Job]:
    body: dict[str, object] = {"url": url, **given}
    key, is_forced = body.pop("idempotency_key", None), body.pop("force", False)
    return Call(
        method="POST",
        path=f"{API}/analysis",
        read=_a_job,
        params={"force": "true"} if is_forced else {},
        headers=_once_only(key),
        body=_without_none(body),
    )


def submit_all(submissions: Sequence[Submission], idempotency_key: str | None) -> Call[BatchAnswers]:
    return Call(
        method="POST",
        path=f"{API}/analyses",
        read=_typed(BatchAnswers, "analyses"),
        headers=_once_only(idempotency_key),
        body={"analyses": [_without_none(each) for each in submissions]},
    )


def job(job_id: str) -> Call[Job]:
    return Call(method="GET", path=job_path(job_id), read=_a_job)


def status(job_id: str, *, etag: str | None = None) -> Call[Polled]:
    headers = {"If-None-Match": etag} if etag else {}
    return Call(method="GET", path=job_path(job_id, "status"), read=_a_status, headers=headers)


def jobs(query: JobsQuery) -> Call[Jobs]:
    params: dict[str, str | Sequence[str]] = {}
    for name, value in _without_none(query).items():
        if isinstance(value, Mapping):
            params[name] = [f"{key}:{text}" for key, text in value.items()]
        else:
            params[name] = str(value) if isinstance(value, str | int) else cast("Sequence[str]", value)
    return Call(method="GET", path=f"{API}/jobs", read=_typed(Jobs, "jobs", "next_cursor"), params=params, is_kept=True)


def cancel(job_id: str) -> Call[Job]:
    return Call(method="POST", path=job_path(job_id, "cancel"), read=_a_job, headers=_once_only())


def retry(job_id: str) -> Call[Job]:
    return Call(method="POST", path=job_path(job_id, "retry"), read=_a_job, headers=_once_only())


def remove(job_id: str) -> Call[Job | None]:
    # Not repeatable: the first one may have cancelled the job, a second one would remove it.
    return Call(method="DELETE", path=job_path(job_id), read=_a_job_left, is_repeatable=False)


def token(job_id: str) -> Call[Token]:
    read = _typed(Token, "token", "expires_in_seconds")
    return Call(method="POST", path=job_path(job_id, "tokens"), read=read)


def results(job_id: str) -> Call[Results]:
    read = _typed(Results, "job_id", "highlights")
    return Call(method="GET", path=job_path(job_id, "results"), read=read, is_kept=True)


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


def replay(job_id: str, delivery_id: str) -> Call[Delivery]:
    path = job_path(job_id, "deliveries", quote(delivery_id, safe=""), "replay")
    return Call(method="POST", path=path, read=_typed(Delivery, "id", "state"), headers=_once_only())


def ping(callback_url: str) -> Call[Pong]:
    return Call(
        method="POST",
        path=f"{API}/webhooks/ping",
        read=_typed(Pong, "id", "status", "error"),
        headers=_once_only(),
        body={"callback_url": callback_url},
    )


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


def _once_only(key: object = None) -> Headers:
    """What makes a call safe to send again: the server answers as before, and does nothing more."""
    return {"Idempotency-Key": str(key or uuid4().hex)}


def _without_none(given: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in given.items() if value is not None}


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


def _a_job_left(answer: Answer) -> Job | None:
    return None if answer.status == 204 else _a_job(answer)


def _its_bytes(answer: Answer) -> bytes:
    return answer.body
