"""Answers that need not be sent again."""

from flask import Response, request
from werkzeug.wrappers import Response as AnyResponse

ETAG = {"ETag": {"description": "For If-None-Match.", "schema": {"type": "string"}}}
NOT_CHANGED = "Nothing has changed since the ETag in If-None-Match."


def conditional(response: Response) -> AnyResponse:
    """The answer under an ETag of its bytes, or 304 to whoever has them."""
    response.add_etag()
    response.headers["Cache-Control"] = "private, no-cache"
    return response.make_conditional(request)
