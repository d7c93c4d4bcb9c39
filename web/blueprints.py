"""Blueprints whose endpoints are documented and whose requests are read strictly."""

from collections.abc import Mapping
from typing import NoReturn, cast

import flask
import marshmallow
from flask_smorest import Blueprint
from webargs.flaskparser import FlaskParser

from shared.errors import InvalidRequest, MalformedRequest, RequestTooLarge, UnsupportedMediaType
from web.request_body import LONG_BODIES, MAX_BODY_BYTES, parse_object


class StrictParser(FlaskParser):
    """webargs with our JSON reader and our errors."""

    def load_json(self, req: flask.Request, schema: marshmallow.Schema) -> dict[str, object]:
        if not req.is_json:
            raise UnsupportedMediaType
        limit = LONG_BODIES.get(req.endpoint or "", MAX_BODY_BYTES)
        req.max_content_length = limit + 1
        try:
            body = req.get_data()
        except OSError:
            raise MalformedRequest("The body did not arrive.") from None
        # A body sent in chunks has no length to be refused by; werkzeug cuts it one byte behind the limit.
        if len(body) > limit:
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


def flat(messages: Mapping[str, object], prefix: str = "") -> dict[str, list[str]]:
    """marshmallow's nested messages by dotted field names."""
    found: dict[str, list[str]] = {}
    for name, value in messages.items():
        path = prefix if name == "_schema" else f"{prefix}.{name}" if prefix else str(name)
        if isinstance(value, Mapping):
            found |= flat(value, path)
        else:
            found[path] = [str(message) for message in cast("list[object]", value)]
    return found


def blueprint(name: str, description: str) -> Blueprint:
    """A blueprint whose endpoints are documented and whose arguments are read by the StrictParser.

    `arguments` takes a schema's instance: of a class, one is made anew for each request.
    """
    made = Blueprint(name, f"web.{name}", description=description)
    made.ARGUMENTS_PARSER = StrictParser()
    return made
