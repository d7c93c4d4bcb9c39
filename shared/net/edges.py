"""From any exception to a typed error: by type, HTTP status, errno and exit code; by text where there is nothing else.

Libraries' exceptions are converted where the library is called, with what is here; at `classify` itself arrives what
nobody foresaw there. Classes go by their names, so that knowing a library does not mean importing it.
"""

import errno
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from shared.errors import (
    ConnectionFailed,
    DatabaseError,
    DnsResolutionFailed,
    ExternalServiceError,
    FileMissing,
    InsufficientStorage,
    KlipError,
    NetworkTimeout,
    OutOfMemory,
    PermissionDenied,
    ProcessingTimeout,
    RateLimitExceeded,
    ServiceUnavailable,
    StorageServiceError,
    TranscriptionServiceError,
    UnclassifiedError,
    UnsupportedFormat,
)
from shared.net.retry import parse_retry_after

# What the machine has run out of. Every library passes these on, whatever its own exceptions mean.
_SHORTAGES: dict[int, type[KlipError]] = {
    errno.ENOSPC: InsufficientStorage,
    errno.EDQUOT: InsufficientStorage,
    errno.EFBIG: InsufficientStorage,
    errno.ENOMEM: OutOfMemory,
    errno.EMFILE: ServiceUnavailable,
    errno.ENFILE: ServiceUnavailable,
}
_DETAILS: dict[int, str] = {
    errno.EFBIG: "A file would be larger than this worker may write.",
    errno.EMFILE: "The worker has as many files and connections open as it may.",
    errno.ENFILE: "The machine has as many files and connections open as it can.",
}
_BY_ERRNO: dict[int, type[KlipError]] = {
    **dict.fromkeys((errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP), FileMissing),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), PermissionDenied),
    errno.EISDIR: UnsupportedFormat,
    **dict.fromkeys((errno.EIO, errno.ESTALE), StorageServiceError),
    errno.ETIMEDOUT: NetworkTimeout,
    **dict.fromkeys(
        (
            errno.ECONNREFUSED,
            errno.ECONNRESET,
            errno.ECONNABORTED,
            errno.EPIPE,
            errno.ENOTCONN,
            errno.EHOSTUNREACH,
            errno.EHOSTDOWN,
            errno.ENETUNREACH,
            errno.ENETDOWN,
            errno.ENETRESET,
            errno.EADDRNOTAVAIL,
        ),
        ConnectionFailed,
    ),
}

# Their exceptions name the service, whatever went wrong on the way to it.
_SERVICES: dict[str, type[KlipError]] = {
    "redis.exceptions.RedisError": DatabaseError,
    "kombu.exceptions.OperationalError": DatabaseError,
    "google.api_core.exceptions.GoogleAPIError": StorageServiceError,
    "google.auth.exceptions.GoogleAuthError": StorageServiceError,
    "google.cloud.storage.exceptions.InvalidResponse": StorageServiceError,
    "google.cloud.storage.exceptions.DataCorruption": StorageServiceError,
    "deepgram.core.api_error.ApiError": TranscriptionServiceError,
    "deepgram.core.parse_error.ParsingError": TranscriptionServiceError,
}
# The first of these along an exception's bases counts, so the exact ones may stand beside the general ones.
_LIBRARIES: dict[str, type[KlipError]] = {
    "builtins.MemoryError": OutOfMemory,
    "builtins.FileNotFoundError": FileMissing,
    "builtins.PermissionError": PermissionDenied,
    "builtins.TimeoutError": NetworkTimeout,
    "builtins.ConnectionError": ConnectionFailed,
    "socket.gaierror": DnsResolutionFailed,
    "socket.herror": DnsResolutionFailed,
    "ssl.SSLError": ConnectionFailed,
    "http.client.HTTPException": ConnectionFailed,
    "urllib3.exceptions.NameResolutionError": DnsResolutionFailed,
    "urllib3.exceptions.TimeoutError": NetworkTimeout,
    "urllib3.exceptions.HTTPError": ConnectionFailed,
    "requests.exceptions.Timeout": NetworkTimeout,
    "requests.exceptions.HTTPError": ExternalServiceError,
    "requests.exceptions.InvalidJSONError": ExternalServiceError,
    "requests.exceptions.RequestException": ConnectionFailed,
    "httpx.TimeoutException": NetworkTimeout,
    "httpx.HTTPStatusError": ExternalServiceError,
    "httpx.DecodingError": ExternalServiceError,
    "httpx.HTTPError": ConnectionFailed,
    "streamlink.exceptions.StreamlinkError": ExternalServiceError,
    "av.error.FileNotFoundError": FileMissing,
    "av.error.PermissionError": PermissionDenied,
    "av.error.FFmpegError": UnsupportedFormat,
    "subprocess.TimeoutExpired": ProcessingTimeout,
    "billiard.exceptions.SoftTimeLimitExceeded": ProcessingTimeout,
    "billiard.exceptions.TimeLimitExceeded": ProcessingTimeout,
}
_NO_CONNECTION: dict[str, type[KlipError]] = dict.fromkeys(
    (
        "socket.gaierror",
        "urllib3.exceptions.NewConnectionError",
        "urllib3.exceptions.ConnectTimeoutError",
        "requests.exceptions.ConnectTimeout",
        "httpx.ConnectError",
        "httpx.ConnectTimeout",
    ),
    ConnectionFailed,
)
# What native code and the interpreter say in words only.
_BY_TEXT: dict[str, type[KlipError]] = {
    **{os.strerror(number): kind for number, kind in _SHORTAGES.items()},
    "can't start new thread": OutOfMemory,
    "bad_alloc": OutOfMemory,
}
# What a program does to itself over a file it can't digest; every other signal comes from somebody else.
_CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)
_CANNOT_START = (126, 127)  # how shells and setpriv tell that a program could not be started
_LARGEST_EXIT_CODE = 255


def classify(error: BaseException) -> KlipError:
    """The typed error that tells a user what `error` means."""
    links = list(_links(error))
    for find in (_known, _slowed_down, _service):
        found = next(filter(None, map(find, links)), None)
        if found is not None:
            return found
    kinds = [found for link in links if (found := shortage(link) or _by_type(link)) is not None]
    # The innermost says it most exactly: a name that does not resolve stands behind a connection that failed.
    return kinds[-1] if kinds else _by_text(str(error)) or UnclassifiedError()


@contextmanager
def converted(*kinds: type[Exception], into: Callable[[Exception], KlipError]) -> Iterator[None]:
    """Turn a library's exceptions into ours: what the machine has run out of first, else what `into` makes of them."""
    try:
        yield
    except kinds as error:
        raise (shortage(error) or into(error)) from error


def shortage(error: BaseException) -> KlipError | None:
    """What the machine has run out of, told by `errno`; None when `error` is about something else."""
    number = getattr(error, "errno", None)
    if isinstance(error, MemoryError):
        number = errno.ENOMEM
    return _short_of(number) if isinstance(number, int) else None


def _short_of(number: int) -> KlipError | None:
    kind = _SHORTAGES.get(number)
    return kind(_DETAILS.get(number)) if kind else None


def exit_error(returncode: int, stderr: str = "") -> KlipError | None:
    """Why a program did not end well, where that was not for what it read; None where it was.

    returncode: as `subprocess` has it, below 0 for a signal.  stderr: what it wrote to standard error, the last resort.
    """
    if returncode < 0:
        return _by_signal(-returncode)
    if returncode in _CANNOT_START:
        return UnclassifiedError("A program on this worker can't be started.")
    # ffmpeg's exit code is the last byte of its negative errno.
    return _short_of(_LARGEST_EXIT_CODE + 1 - returncode) or _by_text(stderr)


def _by_signal(number: int) -> KlipError | None:
    if number == signal.SIGKILL:
        return OutOfMemory("A program on this worker was killed, as the system does when memory runs out.")
    if number == signal.SIGXFSZ:
        return _short_of(errno.EFBIG)
    if number == signal.SIGXCPU:
        return ProcessingTimeout("A program used more processor time than it may.")
    return None if number in _CRASHES else UnclassifiedError("A program on this worker was stopped from outside.")


def never_connected(error: BaseException) -> bool:
    """Whether no connection was made at all, which has nothing to do with what was to be asked for."""
    return any(_named(_NO_CONNECTION, link) for link in _links(error))


def status_error(status: int, headers: Mapping[str, str], *, service: str) -> KlipError | None:
    """What an HTTP status says about the service itself; None where it is an answer to what was asked."""
    if status == 429:
        return RateLimitExceeded(f"{service} asked us to slow down.", retry_after_s=asked_wait_s(headers))
    if status >= 500 or status == 408:
        return ExternalServiceError(f"{service} answered with status {status}.", retry_after_s=asked_wait_s(headers))
    return None


def asked_wait_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that an answer's Retry-After asks for."""
    asked = next((value for name, value in headers.items() if name.lower() == "retry-after"), None)
    return parse_retry_after(asked)


def _links(error: BaseException) -> Iterator[BaseException]:
    """`error` and what it wraps, outermost first."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        # Not __context__: an error that is met while another one is handled need not come from it.
        inner = (link.__cause__, getattr(link, "reason", None), getattr(link, "cause", None), *link.args)
        link = next((found for found in inner if isinstance(found, BaseException)), None)


def _known(link: BaseException) -> KlipError | None:
    return link if isinstance(link, KlipError) else None


def _slowed_down(link: BaseException) -> KlipError | None:
    status, headers = _answer_of(link)
    return status_error(status, headers, service="A service") if status == 429 else None


def _answer_of(link: BaseException) -> tuple[int, Mapping[str, str]]:
    """Status and headers of the HTTP answer that an exception is about; 0 when it is about none."""
    answer: object = getattr(link, "response", None)
    answer = link if answer is None else answer
    status = getattr(answer, "status_code", None)
    return status if isinstance(status, int) else 0, getattr(answer, "headers", None) or {}


def _service(link: BaseException) -> KlipError | None:
    kind = _named(_SERVICES, link)
    return kind() if kind else None


def _by_type(link: BaseException) -> KlipError | None:
    if isinstance(link, subprocess.CalledProcessError):
        return exit_error(link.returncode, _text(link.stderr)) or UnsupportedFormat()
    kind = _named(_LIBRARIES, link)
    if kind is None and isinstance(link, OSError):
        kind = _BY_ERRNO.get(link.errno or 0)
    return kind() if kind else None


def _named(table: dict[str, type[KlipError]], link: BaseException) -> type[KlipError] | None:
    names = (f"{base.__module__}.{base.__qualname__}" for base in type(link).__mro__)
    return next((table[name] for name in names if name in table), None)


def _by_text(text: str) -> KlipError | None:
    return next((kind() for words, kind in _BY_TEXT.items() if words in text), None)


def _text(output: object) -> str:
    """A program's output, which `subprocess` gives as text, as bytes or not at all."""
    return output.decode(errors="replace") if isinstance(output, bytes) else str(output or "")
