"""One large file over HTTP: resumed where it stopped, watched for stalls, bounded in size."""

import json
from math import inf
from pathlib import Path
from typing import NamedTuple

import requests
from urllib3.exceptions import ProtocolError

from shared.errors import ConnectionFailed, VideoNotFound, VideoSizeExceeded, VideoUnavailable
from shared.net.deadline import AnswerLimits, Session
from shared.net.retry import RetryPolicy, call_with_retry
from shared.progress import Progress
from workers.download.http import RETRIED, check_status, converted_errors, pause, send
from workers.download.ledger import check_space, disk_errors

READ_BYTES = 512 * 1024
CHECK_SPACE_EVERY_BYTES = 32 * 2**20
LIMITS = AnswerLimits(silence_s=20.0, total_s=inf, window_s=20.0)
SERVICE = "The media server"


class FileLimits(NamedTuple):
    """max_bytes: of the file.  min_free_bytes: of disk, to be left."""

    max_bytes: int
    min_free_bytes: int


class _State(NamedTuple):
    """What a partial file is part of: its address, its version and its whole size, where they are known."""

    url: str
    version: str | None
    total: int | None


def open_at(session: Session, url: str, start: int = 0, version: str | None = None) -> requests.Response:
    """The streamed answer for a file from byte `start` on.

    Raises VideoNotFound, VideoUnavailable, and the errors that may pass.
    """
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-"} | ({"If-Range": version} if version else {})
    response = send(session, "GET", url, headers=headers, limits=LIMITS, stream=True)
    try:
        check_status(response, SERVICE)
        if response.status_code in (404, 410):
            raise VideoNotFound("There is no file at this address.")
        if response.status_code not in (200, 206, 416) or "Content-Encoding" in response.headers:
            raise VideoUnavailable(f"{SERVICE} does not give out this file.")
    except BaseException:
        response.close()
        raise
    return response


def size_of(response: requests.Response, start: int = 0) -> int | None:
    """The whole file's size in bytes, None when the server does not tell."""
    declared = response.headers.get("Content-Length", "")
    return start + int(declared) if declared.isascii() and declared.isdigit() and len(declared) < 16 else None


def fetch_file(
    session: Session, url: str, into: Path, *, limits: FileLimits, retry: RetryPolicy, progress: Progress
) -> None:
    """Write the file at `url` to `into`, going on with what an earlier try wrote.

    Raises VideoNotFound, VideoUnavailable, VideoSizeExceeded, InsufficientStorage and the network errors.
    """
    if into.exists():
        return
    fetch = _FileFetch(session, url, into, limits, progress)
    call_with_retry(fetch.run, policy=retry, retry_on=RETRIED, sleep=lambda wait_s: pause(wait_s, fetch.tell))
    with disk_errors():
        fetch.partial.replace(into)


class _FileFetch:
    def __init__(self, session: Session, url: str, into: Path, limits: FileLimits, progress: Progress) -> None:
        self.partial = into.with_name(into.name + ".part")
        self._note = into.with_name(into.name + ".state")
        self._session = session
        self._url = url
        self._limits = limits
        self._progress = progress
        self._done = 0
        self._total: int | None = None

    def tell(self) -> None:
        if self._total:
            self._progress(min(self._done / self._total, 1.0))

    def run(self) -> None:
        """One try; raises when the connection ends before the file does."""
        state = self._load()
        start = self.partial.stat().st_size if state else 0
        with open_at(self._session, self._url, start, state.version if state else None) as response:
            if response.status_code == 416:
                self._note.unlink(missing_ok=True)
                if state and state.total == start:
                    return
                raise ConnectionFailed("The file changed while it was fetched.")
            start = start if response.status_code == 206 else 0
            self._total = size_of(response, start)
            self._check_size(self._total or start)
            check_space(
                self.partial.parent,
                needed_bytes=2 * ((self._total or start) - start),
                min_free_bytes=self._limits.min_free_bytes,
            )
            self._remember(response)
            self._read(response, start)

    def _read(self, response: requests.Response, start: int) -> None:
        self._done = start
        unchecked = 0
        with converted_errors(), self.partial.open("ab" if start else "wb") as file:
            for chunk in iter(lambda: _chunk(response), b""):
                self._done += len(chunk)
                self._check_size(self._done)
                with disk_errors():
                    file.write(chunk)
                self.tell()
                unchecked += len(chunk)
                if unchecked >= CHECK_SPACE_EVERY_BYTES:
                    unchecked = 0
                    check_space(self.partial.parent, needed_bytes=0, min_free_bytes=self._limits.min_free_bytes)
        if self._total is not None and self._done != self._total:
            raise ConnectionFailed("The media server cut the file short.")

    def _check_size(self, size: int) -> None:
        if size > self._limits.max_bytes:
            raise VideoSizeExceeded(f"The file is larger than {self._limits.max_bytes / 2**30:.0f} GiB.")

    def _load(self) -> _State | None:
        """What the partial file is part of; None when it can't be gone on with."""
        if not self.partial.exists() or not self._note.exists():
            return None
        try:
            state = _State(*json.loads(self._note.read_text(encoding="utf-8")))
        except (ValueError, TypeError):
            return None
        # Without a version the server can't say whether it still is the same file.
        return state if state.url == self._url and state.version else None

    def _remember(self, response: requests.Response) -> None:
        etag = response.headers.get("ETag", "")
        # Weak tags don't promise equal bytes (RFC 9110 13.1.5).
        version = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")
        with disk_errors():
            self._note.write_text(json.dumps(_State(self._url, version, self._total)), encoding="utf-8")


def _chunk(response: requests.Response) -> bytes:
    try:
        data: bytes = response.raw.read1(READ_BYTES, decode_content=False)
    except ProtocolError:
        return b""  # the length tells that something is missing
    return data
