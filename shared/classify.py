"""From any exception to a typed error: by type and number first, by text never here.

Libraries' exceptions are converted where the library is called; what arrives here is what nobody foresaw there.
"""

import errno
import socket
import subprocess

import requests

from shared.errors import (
    ConnectionFailed,
    DatabaseError,
    DnsResolutionFailed,
    FileMissing,
    InsufficientStorage,
    KlipError,
    NetworkTimeout,
    OutOfMemory,
    PermissionDenied,
    UnclassifiedError,
    UnsupportedFormat,
)

_BY_ERRNO: dict[int, type[KlipError]] = {
    errno.ENOSPC: InsufficientStorage,
    errno.EDQUOT: InsufficientStorage,
    errno.ENOMEM: OutOfMemory,
    errno.ENOENT: FileMissing,
    errno.EACCES: PermissionDenied,
    errno.EPERM: PermissionDenied,
}
_BY_TYPE: tuple[tuple[type[BaseException], type[KlipError]], ...] = (
    (MemoryError, OutOfMemory),
    (socket.gaierror, DnsResolutionFailed),
    (requests.Timeout, NetworkTimeout),
    (requests.ConnectionError, ConnectionFailed),
    (TimeoutError, NetworkTimeout),
    (ConnectionError, ConnectionFailed),
    (subprocess.CalledProcessError, UnsupportedFormat),
)


def classify(error: BaseException) -> KlipError:
    """The typed error that tells a user what `error` means."""
    if isinstance(error, KlipError):
        return error
    if type(error).__module__.partition(".")[0] == "redis":
        return DatabaseError()
    found = next((kind for cause, kind in _BY_TYPE if isinstance(error, cause)), None)
    if found is None and isinstance(error, OSError):
        found = _BY_ERRNO.get(error.errno or 0)
    return (found or UnclassifiedError)()
