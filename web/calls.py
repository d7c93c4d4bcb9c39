"""What a call says of itself in the OpenAPI document, beside its arguments and its answer."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from flask_smorest import Blueprint

from shared.errors import KlipError
from shared.files import JSON
from web.conditional import ETAG, IF_NONE_MATCH, NOT_CHANGED, OWN_PARAMETERS

View = TypeVar("View", bound=Callable[..., object])
OWN_ERRORS = "x-errors"  # where the description of a call has its own errors until `web.openapi` completes it

_TEXT = {"type": "string"}
LOCATION = {"Location": {"description": "The job.", "schema": _TEXT}}
RANGE = {
    "in": "header",
    "name": "Range",
    "description": "Which bytes: `bytes=FIRST-LAST`.",
    "schema": _TEXT,
    "example": "bytes=0-99",
}
_CONTENT_RANGE = {"Content-Range": {"description": "Which bytes of how many.", "schema": _TEXT}}
_DISPOSITION = {"Content-Disposition": {"description": "What to save it as.", "schema": _TEXT}}
_SIGNED = {"Location": {"description": "Serves it for an hour, to anybody.", "schema": _TEXT}}


def operation(name: str, *errors: type[KlipError]) -> Callable[[View], View]:
    """The operationId, by which generated clients name their functions, and the errors of its own.

    Those that every call of its kind ends in are added by `web.openapi`.
    """
    made: Callable[[View], View] = Blueprint.doc(operationId=name, **{OWN_ERRORS: [error.code for error in errors]})
    return made


def shown(schema: str, *names: str) -> dict[str, str]:
    """These of the schema's examples (`web.examples`), where not all of them can be the answer."""
    return {name: f"{schema}.{name}" for name in names}


def download(media_types: Iterable[str], *, is_text: bool) -> Callable[[View], View]:
    """A file as the answer, of one of these types: whole, in part, or elsewhere."""
    schema = _TEXT if is_text else {"type": "string", "format": "binary"}
    # A file that is JSON is read as JSON by whoever goes by its type.
    content = {kind: {"schema": {"description": "JSON."} if kind == JSON else schema} for kind in media_types}
    made: Callable[[View], View] = Blueprint.doc(
        **{OWN_PARAMETERS: [RANGE, IF_NONE_MATCH]},
        responses={
            200: {"description": "The file.", "headers": ETAG | _DISPOSITION, "content": content},
            206: {"description": "The range asked for.", "headers": ETAG | _CONTENT_RANGE, "content": content},
            302: {"description": "The file is in a bucket, at a signed address.", "headers": _SIGNED},
            304: {"description": NOT_CHANGED, "headers": ETAG},
        },
    )
    return made
