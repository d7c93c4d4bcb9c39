"""Reading a request's JSON strictly: what is unclear is refused with a reason, never guessed."""

import json
from typing import NoReturn

from shared.errors import MalformedRequest

MAX_BODY_BYTES = 64 * 1024
LONG_BODIES: dict[str, int] = {}  # the most bytes of endpoints that take more


def parse_object(body: bytes) -> dict[str, object]:
    """The JSON object in `body`. Raises MalformedRequest."""
    try:
        found = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_without_doubles)
    except RecursionError:
        raise MalformedRequest("The JSON is nested too deeply.") from None
    except ValueError as error:
        raise MalformedRequest(_reason(error)) from None
    if not isinstance(found, dict):
        raise MalformedRequest("The body must be a JSON object.")
    return found


def _reason(error: ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "The body is not UTF-8 text."
    if isinstance(error, json.JSONDecodeError):
        return f"The body is not JSON: {error.msg} (line {error.lineno}, column {error.colno})."
    return f"The body is not JSON: {error}."


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a field is given twice")
    return found
