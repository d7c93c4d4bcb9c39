"""The error catalogue: every failure a user can be told about, with what to do next.

Raise the most exact class where the cause is known. A class's docstring is its title; `detail` says what happened this
time, in words that are safe to show: no paths, keys or traces.
"""

from shared.errors import requests, work
from shared.errors.base import ErrorType as ErrorType
from shared.errors.base import KlipError as KlipError
from shared.errors.requests import *  # noqa: F403
from shared.errors.work import *  # noqa: F403


def catalogue() -> dict[str, type[KlipError]]:
    """Every error there is, by code, in the order of its module."""
    # Other modules have narrower kinds of these for themselves, which say the same code.
    return {
        thing.code: thing
        for module in (work, requests)
        for thing in vars(module).values()
        if isinstance(thing, type) and issubclass(thing, KlipError) and thing.__module__ == module.__name__
    }
