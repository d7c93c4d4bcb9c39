"""Answers that need not be sent again."""

from collections.abc import Callable
from typing import TypeVar

from flask import Response, request
from flask_smorest import Blueprint
from werkzeug.wrappers import Response as AnyResponse

ETAG = {"ETag": {"description": "For If-None-Match.", "schema": {"type": "string"}}}
NOT_CHANGED = "Nothing has changed since the ETag in If-None-Match."
IF_NONE_MATCH = {
    "in": "header",
    "name": "If-None-Match",
    "description": "The ETag of an answer before: 304 if nothing has changed.",
    "schema": {"type": "string"},
}
# Where a call's description has parameters beside its arguments' until web.openapi completes it: as `parameters` they
# would be in the place of the arguments.
OWN_PARAMETERS = "x-parameters"
View = TypeVar("View", bound=Callable[..., object])


def unless_known(view: View) -> View:
    """Describe that the call's answer has an ETag, by which it need not be sent again."""
    described: View = Blueprint.doc(
        **{OWN_PARAMETERS: [IF_NONE_MATCH]},
        responses={200: {"headers": ETAG}, 304: {"description": NOT_CHANGED, "headers": ETAG}},
    )(view)
    return described


def conditional(response: Response) -> AnyResponse:
    """The answer under an ETag of its bytes, or 304 to whoever has them."""
    response.add_etag()
    response.headers["Cache-Control"] = "private, no-cache"
    return response.make_conditional(request)
