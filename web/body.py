"""Reading requests strictly: what is unclear is refused with a reason, never guessed."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

import flask
import marshmallow
from flask_smorest import Blueprint
from webargs.flaskparser import FlaskParser

from shared.errors import InvalidRequest, MalformedRequest, RequestTooLarge, UnsupportedMediaType

MAX_BODY_BYTES = 64 * 1024


def parse_object(body: bytes) -> dict[str, Any]:
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


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a field is given twice")
    return found


class StrictParser(FlaskParser):
    """webargs with our JSON reader and our errors."""

    def load_json(self, req: flask.Request, schema: marshmallow.Schema) -> dict[str, Any]:
        if not req.is_json:
            raise UnsupportedMediaType
        try:
            body = req.get_data()
        except OSError:
            raise MalformedRequest("The body did not arrive.") from None
        # A body sent in chunks has no length to be refused by; werkzeug cuts it one byte behind the limit.
        if len(body) > MAX_BODY_BYTES:
            raise RequestTooLarge
        return parse_object(body)

    def handle_error(
        self,
        error: marshmallow.ValidationError,
        req: flask.Request,
        schema: marshmallow.Schema,
        *,
        error_status_code: int | None,
        error_headers: Mapping[str, str] | None,
    ) -> NoReturn:
        by_location = error.normalized_messages()
        raise InvalidRequest(errors=flat({k: v for fields in by_location.values() for k, v in fields.items()}))


def flat(messages: Mapping[str, Any], prefix: str = "") -> dict[str, list[str]]:
    """marshmallow's nested messages by dotted field names."""
    found: dict[str, list[str]] = {}
    for name, value in messages.items():
        path = prefix if name == "_schema" else f"{prefix}.{name}" if prefix else str(name)
        if isinstance(value, Mapping):
            found |= flat(value, path)
        else:
            found[path] = [str(message) for message in value]
    return found


def blueprint(name: str, description: str) -> Blueprint:
    """A blueprint whose endpoints are documented and whose arguments are read by the StrictParser."""
    made = Blueprint(name, f"web.{name}", description=description)
    made.ARGUMENTS_PARSER = StrictParser()
    return made
