"""How many bytes of answers this process has received, for the metrics."""

import threading

_lock = threading.Lock()
_received = 0


def note_received(count: int) -> None:
    """So many bytes more have come."""
    global _received
    with _lock:
        _received += count


def received_bytes() -> int:
    """Since the process began."""
    return _received
