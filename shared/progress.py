"""How work tells how far it is."""

from collections.abc import Callable

# Called with the fraction really done, 0.0-1.0. Raises when the job is cancelled or its lease is lost, so work that
# calls it every second or so stops soon.
Progress = Callable[[float], None]


def silent(_fraction: float) -> None:
    """Progress that nobody watches."""


def share_of(progress: Progress, low: float, high: float) -> Progress:
    """Progress of a piece of the work that takes the whole from `low` to `high` (fractions)."""
    return lambda fraction: progress(low + (high - low) * fraction)
