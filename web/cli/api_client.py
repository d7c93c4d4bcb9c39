"""A small client of our own HTTP API, for the commands."""

import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import cast

import httpx
from httpx_sse import SSEError, connect_sse

from web.cli.answers import EventAnswer, JobAnswer, ResultsAnswer

TIMEOUT_S = 30.0
STREAM_SILENCE_S = 45.0  # three missed comments: the connection is dead
MAX_RECONNECTS = 60  # in a row, without an event between them
RECONNECT_S = 1.0
TOO_MANY = 429
API = "/api/v1"


class Refused(Exception):
    """The server answered with a problem."""

    def __init__(self, problem: Mapping[str, object]) -> None:
        self.problem = problem
        super().__init__(str(problem.get("detail") or problem.get("title") or "refused"))


class Unreachable(Exception):
    """There is no server at this address, or it went away."""


class Client:
    """Raises Refused and Unreachable."""

    def __init__(self, base_url: str, *, key: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.base_url = base_url
        # Our own server: no proxy of the environment lies between.
        self._http = httpx.Client(base_url=base_url, headers=headers, timeout=TIMEOUT_S, trust_env=False)

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def submit(self, body: Mapping[str, object]) -> JobAnswer:
        """POST a submission; the job."""
        return cast("JobAnswer", self._call("POST", f"{API}/analysis", json=body))

    def job(self, job_id: str) -> JobAnswer:
        """The job as it is now."""
        return cast("JobAnswer", self._call("GET", f"{API}/analysis/{job_id}"))

    def results(self, job_id: str) -> ResultsAnswer:
        """The result document."""
        return cast("ResultsAnswer", self._call("GET", f"{API}/analysis/{job_id}/results"))

    def jobs(self, *, limit: int) -> list[JobAnswer]:
        """The newest jobs."""
        return cast("list[JobAnswer]", self._call("GET", f"{API}/jobs?limit={limit}")["jobs"])

    def _call(self, method: str, path: str, json: Mapping[str, object] | None = None) -> dict[str, object]:
        try:
            response = self._http.request(method, path, json=json)
        except httpx.HTTPError as error:
            raise Unreachable(f"{self.base_url} does not answer ({error})") from error
        return _checked(response)

    def events(self, job_id: str) -> Iterator[EventAnswer]:
        """The job's events until it has ended, over as many connections as it takes."""
        last_id: str | None = None
        failures = 0
        while failures < MAX_RECONNECTS:
            try:
                for event_id, event in self._stream(job_id, last_id):
                    last_id, failures = event_id or last_id, 0
                    yield event
                    if event["event"] == "stream_ended":
                        return
            except (httpx.HTTPError, SSEError):
                failures += 1
            time.sleep(RECONNECT_S)
        raise Unreachable(f"{self.base_url} does not answer any more")

    def _stream(self, job_id: str, last_id: str | None) -> Iterator[tuple[str, EventAnswer]]:
        headers = {"Last-Event-ID": last_id} if last_id else {}
        timeout = httpx.Timeout(TIMEOUT_S, read=STREAM_SILENCE_S)
        path = f"{API}/analysis/{job_id}/stream"
        with connect_sse(self._http, "GET", path, headers=headers, timeout=timeout) as source:
            if source.response.is_client_error and source.response.status_code != TOO_MANY:
                source.response.read()
                _checked(source.response)
            for event in source.iter_sse():
                yield event.id, event.json()


def _checked(response: httpx.Response) -> dict[str, object]:
    try:
        answer = response.json()
    except ValueError:
        raise Unreachable(f"{response.url} is not KlipStream (it answered {response.status_code})") from None
    if response.is_error:
        raise Refused(answer)
    return cast("dict[str, object]", answer)
