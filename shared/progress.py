"""How work tells how far it is."""

from collections.abc import Callable

# Called with the fraction really done, 0.0-1.0. Raises when the job is cancelled or its lease is lost, so work that
# calls it every second or so stops soon.
Progress = Callable[[float], None]


def silent(_fraction: float) -> None:
    """Progress that nobody watches."""
