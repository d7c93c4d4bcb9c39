"""Files of jobs in Google Cloud Storage, `gs://bucket/prefix`, on the official client.

Credentials are Google's application default ones; with STORAGE_EMULATOR_HOST an emulator is used without any.
"""

import base64
import io
import mimetypes
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path
from time import monotonic
from typing import TypeVar, cast

import google.auth.exceptions
import google_crc32c
import requests
from google.api_core import exceptions as api
from google.auth.credentials import Signing
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from google.cloud.storage.retry import DEFAULT_RETRY

from shared.artifacts.cache import FileCache
from shared.artifacts.store import Conflict, Served, checked_name, storage_errors
from shared.errors import (
    FileMissing,
    KlipError,
    PermissionDenied,
    RateLimitExceeded,
    StorageServiceError,
)
from shared.net.edges import asked_wait_s
from shared.net.retry import RetryPolicy, call_with_retry
from shared.redis.breaker import Breakers, Call, unguarded
from shared.redis.breaker_adapter import BreakerAdapter

PARALLEL = 4
CHUNK_BYTES = 8 * 2**20  # of a resumable upload; what a broken connection costs at most
TIMEOUT_S = (5.0, 60.0)  # to connect, and between two bytes
RETRY = DEFAULT_RETRY.with_delay(initial=0.5, maximum=15.0, multiplier=2.0).with_timeout(90.0)
# What broke off or was refused the client tries again itself, but not what arrived and is wrong.
DAMAGED_RETRY = RetryPolicy(attempts=3, base_s=0.2, cap_s=2.0)
SIGNED_FOR = timedelta(hours=1)
CHECK_EVERY_S = 30.0  # what /ready asks is answered from memory in between
MAX_SMALL_BYTES = 64 * 2**20
_ATTEMPTS = 5
SERVICE = "gcs"  # to the circuit breaker
CHECK = ".check"
_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_TYPES = {
    ".jsonl": "application/x-ndjson",
    ".m4a": "audio/mp4",
    ".srt": "application/x-subrip",
    ".vtt": "text/vtt",
}
T = TypeVar("T")


class Stopped(Exception):
    """Another file of the same batch failed."""


class _Damaged(StorageServiceError):
    """An answer of the file storage arrived damaged."""


@contextmanager
def gcs_errors(missing: type[KlipError] = FileMissing) -> Iterator[None]:
    """Turn the client's errors into ours."""
    try:
        yield
    except (requests.JSONDecodeError, DataCorruption) as error:
        raise _Damaged from error
    except (
        api.GoogleAPIError,
        google.auth.exceptions.GoogleAuthError,
        InvalidResponse,
        requests.RequestException,
    ) as error:
        # Having tried for long enough, the client raises this around what it met last.
        met = error.cause if isinstance(error, api.RetryError) and error.cause is not None else error
        raise _error_of(met, missing) from error


def _error_of(error: BaseException, missing: type[KlipError]) -> Exception:
    if isinstance(error, api.NotFound):
        return missing()
    if isinstance(error, api.Forbidden | api.Unauthorized):
        return PermissionDenied("The bucket may not be used with these credentials.")
    if isinstance(error, api.PreconditionFailed):
        return Conflict("generation")
    if isinstance(error, google.auth.exceptions.DefaultCredentialsError):
        return PermissionDenied("There are no Google credentials: set GOOGLE_APPLICATION_CREDENTIALS.")
    response = getattr(error, "response", None)
    asked_s = asked_wait_s(response.headers) if response is not None else None
    if isinstance(error, api.TooManyRequests):
        return RateLimitExceeded("The file storage gets too many requests.", retry_after_s=asked_s)
    return StorageServiceError(retry_after_s=asked_s)


class GcsStore:
    """An `ArtifactStore` in a bucket; nothing outside `prefix` is ever read, written or removed.

    breakers: what each request of the client goes through, for the job that it is about.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str,
        *,
        cache: FileCache,
        breakers: Breakers | None = None,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        self._bucket_name, self._prefix = bucket, prefix.strip("/")
        self._cache, self._breakers, self._chunk_bytes = cache, breakers, chunk_bytes
        self._at_work = threading.local()  # .about: the folder of the job that this thread is busy with
        self._checked_at = -CHECK_EVERY_S
        self._check_error: KlipError | None = None

    @cached_property
    def _bucket(self) -> storage.Bucket:
        client = storage.Client()
        # For traces that nobody takes, the client asks in the background for the bucket's metadata: a request more for
        # each operation while the service is down, and a permission (storage.buckets.get) that nothing else needs.
        client._bucket_metadata_cache = None
        # The client leaves the body of a refused download unread, and with it the connection open.
        client._http.hooks["response"].append(_read_refusals)
        client._http.mount("https://", BreakerAdapter(self._call_for))
        client._http.mount("http://", BreakerAdapter(self._call_for))
        return client.bucket(self._bucket_name)

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        if "_bucket" in self.__dict__:
            self._bucket.client._http.close()
            self._bucket.client.close()
            del self.__dict__["_bucket"]

    def _folder(self, job_id: str) -> str:
        if not _JOB_ID.fullmatch(job_id):
            raise FileMissing
        return f"{self._prefix}/{job_id}/" if self._prefix else f"{job_id}/"

    def _object(self, job_id: str, name: str) -> str:
        return self._folder(job_id) + checked_name(name)

    def _call_for(self, _url: str) -> Call:
        if self._breakers is None:
            return unguarded
        return self._breakers.of(SERVICE, about=getattr(self._at_work, "about", CHECK))

    def _do(self, work: Callable[[], T], target: str, *, missing: type[KlipError] = FileMissing) -> T:
        """`work()` on the object, or the folder, `target`."""
        self._at_work.about = target.rpartition("/")[0]

        def converted() -> T:
            with gcs_errors(missing):
                return work()

        return call_with_retry(converted, policy=DAMAGED_RETRY, retry_on=(_Damaged,))

    # --- writing ----------------------------------------------------------------------------------------------------

    def put(self, job_id: str, name: str, source: Path) -> None:
        """Upload a finished file."""
        self._put(job_id, name, source, threading.Event())

    def put_all(self, job_id: str, files: Mapping[str, Path]) -> None:
        """Store several files at once. The first failure stops the others."""
        stop = threading.Event()
        with ThreadPoolExecutor(PARALLEL) as pool:
            tasks = [pool.submit(self._put, job_id, name, source, stop) for name, source in files.items()]
            try:
                for task in tasks:
                    task.result()
            except BaseException:
                stop.set()
                raise

    def _put(self, job_id: str, name: str, source: Path, stop: threading.Event) -> None:
        target = self._object(job_id, name)
        with storage_errors():
            checksum = crc32c_of(source)
        for _ in range(_ATTEMPTS):
            present = self._do(partial(self._describe, target), target)
            if present is not None and present.crc32c == checksum:
                generation = present.generation
                break
            try:
                upload = partial(self._upload, target, source, present, stop)
                generation = self._do(upload, target, missing=StorageServiceError)
                break
            except Conflict:
                continue  # another writer was faster, or our own first try arrived after all: look again
        else:
            raise StorageServiceError("A file changes faster than it can be written.")
        self._cache.adopt(self._key(target, generation), source)

    def _describe(self, target: str) -> storage.Blob | None:
        blob = self._bucket.get_blob(target, timeout=TIMEOUT_S, retry=RETRY)
        if blob is not None and None in (blob.generation, blob.crc32c, blob.size):
            raise _Damaged
        return blob

    def _upload(self, target: str, source: Path, present: storage.Blob | None, stop: threading.Event) -> int:
        """The new object's generation. Raises Conflict when it is not the next one after `present`."""
        blob = self._bucket.blob(target, chunk_size=self._chunk_bytes)
        with _Stream(source, stop) as stream:
            blob.upload_from_file(
                stream,
                size=source.stat().st_size,
                content_type=_content_type(target),
                if_generation_match=0 if present is None else present.generation,
                checksum="crc32c",
                timeout=TIMEOUT_S,
                retry=RETRY,
            )
        return cast("int", blob.generation)

    def write(self, job_id: str, name: str, data: bytes, *, generation: str | None) -> None:
        """Compared by the object's generation, in the bucket. Raises Conflict."""
        target = self._object(job_id, name)
        blob = self._bucket.blob(target)
        upload = partial(
            blob.upload_from_string,
            data,
            content_type=_content_type(name),
            if_generation_match=int(generation or 0),
            checksum="crc32c",
            timeout=TIMEOUT_S,
            retry=RETRY,
        )
        self._do(upload, target, missing=StorageServiceError)

    # --- reading ----------------------------------------------------------------------------------------------------

    def fetch(self, job_id: str, name: str) -> Path:
        """A local copy, fetched once for each generation. Raises FileMissing."""
        target = self._object(job_id, name)
        blob = self._do(partial(self._present, target), target)
        with storage_errors():
            return self._cache.get(
                self._key(target, blob.generation),
                group=job_id,
                fill=lambda path: self._do(partial(self._download, blob, path), target),
                check=lambda path: crc32c_of(path) == blob.crc32c,
            )

    def _present(self, target: str) -> storage.Blob:
        blob = self._describe(target)
        if blob is None:
            raise FileMissing
        return blob

    def _download(self, blob: storage.Blob, path: Path) -> None:
        with storage_errors():
            self._pinned(blob).download_to_filename(str(path), checksum="crc32c", timeout=TIMEOUT_S, retry=RETRY)
            if crc32c_of(path) != blob.crc32c:
                raise _Damaged

    def _pinned(self, blob: storage.Blob) -> storage.Blob:
        """The same object at the generation that was described, without a chunk size."""
        return self._bucket.blob(blob.name, generation=blob.generation)

    def read(self, job_id: str, name: str) -> tuple[bytes, str]:
        """Its bytes and the object's generation, of one moment. Raises FileMissing."""
        target = self._object(job_id, name)
        for _ in range(_ATTEMPTS):
            blob = self._do(partial(self._present, target), target)
            if blob.size > MAX_SMALL_BYTES:
                raise StorageServiceError("A file is larger than it can be.")
            download = partial(self._pinned(blob).download_as_bytes, checksum="crc32c", timeout=TIMEOUT_S, retry=RETRY)
            try:
                data = cast("bytes", self._do(download, target))
            except FileMissing:
                continue  # replaced in this moment: this generation is gone
            return data, str(blob.generation)
        raise StorageServiceError("A file changes faster than it can be read.")

    def names(self, job_id: str) -> list[str]:
        """The job's objects, without its folder, sorted."""
        folder = self._folder(job_id)
        found = self._do(
            lambda: [blob.name for blob in self._bucket.list_blobs(prefix=folder, timeout=TIMEOUT_S, retry=RETRY)],
            folder,
        )
        return sorted(name.removeprefix(folder) for name in found)

    def serve(self, job_id: str, name: str) -> Served:
        """A signed URL for an hour; with credentials that can't sign, a local copy for the web to send itself."""
        target = self._object(job_id, name)
        with gcs_errors():
            credentials = self._bucket.client._credentials
        if not isinstance(credentials, Signing):
            return Served(path=self.fetch(job_id, name))
        with gcs_errors():
            url = self._bucket.blob(target).generate_signed_url(
                version="v4", expiration=SIGNED_FOR, method="GET", response_type=_content_type(name)
            )
        return Served(url=url)

    # --- removing and checking --------------------------------------------------------------------------------------

    def delete(self, job_id: str, names: list[str] | None = None) -> None:
        """Remove these objects, or all of the job's."""
        wanted = self.names(job_id) if names is None else names
        targets = [self._object(job_id, name) for name in wanted]
        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(self._delete, targets))

    def _delete(self, target: str) -> None:
        try:
            self._do(partial(self._bucket.blob(target).delete, timeout=TIMEOUT_S, retry=RETRY), target)
        except FileMissing:
            return

    def check(self) -> None:
        """What the last try to write met; tried again when that is CHECK_EVERY_S ago."""
        if monotonic() - self._checked_at >= CHECK_EVERY_S:
            self._check_error = self._try_to_write()
            self._checked_at = monotonic()
        if self._check_error is not None:
            raise self._check_error

    def _try_to_write(self) -> KlipError | None:
        name = f"{self._prefix}/{CHECK}" if self._prefix else CHECK
        self._at_work.about = CHECK
        try:
            with gcs_errors(StorageServiceError):
                self._bucket.blob(name).upload_from_string(b"", timeout=(2.0, 5.0), retry=None)
        except KlipError as error:
            return error
        return None

    def _key(self, target: str, generation: int) -> str:
        return f"{self._bucket_name}#{generation}/{target}"


class _Stream(io.FileIO):
    """A file to upload that can be stopped between two chunks."""

    def __init__(self, source: Path, stop: threading.Event) -> None:
        super().__init__(source)
        self._stop = stop

    def read(self, size: int | None = -1) -> bytes:
        if self._stop.is_set():
            raise Stopped
        return super().read(-1 if size is None else size)


def _read_refusals(response: requests.Response, **_: object) -> None:
    if not response.ok:
        len(response.content)


def crc32c_of(path: Path) -> str:
    """The checksum as Google's metadata write it: base64 of the big-endian CRC-32C."""
    checksum = google_crc32c.Checksum()
    with path.open("rb") as file:
        while piece := file.read(2**20):
            checksum.update(piece)
    digest: bytes = checksum.digest()
    return base64.b64encode(digest).decode()


def _content_type(name: str) -> str:
    suffix = Path(name).suffix
    return _TYPES.get(suffix) or mimetypes.guess_type(f"a{suffix}")[0] or "application/octet-stream"
