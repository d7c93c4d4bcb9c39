"""An `Idempotency-Key` at any POST: the answer that was given under it is given again.

Submissions have theirs in the script that makes the job. A token is made anew each time: it is nothing that is done.
"""

import hashlib
import json

import redis
from flask import Flask, Response, g, request

from shared.errors import IdempotencyKeyReused, IdempotentInProgress, InvalidRequest
from shared.log import logger
from shared.redis import keys
from shared.redis.connection import redis_errors
from web.auth import is_api_call, owner
from web.dependencies import dependencies

HEADER = "Idempotency-Key"
MAX_KEY = 255
KEPT_S = 24 * 3600
IN_PROGRESS_S = 60  # a request whose process died may be sent again after so long
ON_THEIR_OWN = frozenset({"analysis.submit", "batch.submit_all", "tokens.make"})
_IN_PROGRESS = ""
log = logger("klipstream.web")


def recall() -> Response | None:
    """The answer that was given before; None when the request is to be carried out.

    Raises InvalidRequest, IdempotencyKeyReused, IdempotentInProgress, DatabaseError.
    """
    given = request.headers.get(HEADER)
    if given is None or request.method != "POST" or request.endpoint in ON_THEIR_OWN or not is_api_call():
        return None
    if not 1 <= len(given) <= MAX_KEY:
        raise InvalidRequest(errors={HEADER: [f"Length must be between 1 and {MAX_KEY}."]})
    name = keys.idempotent_answer(owner(), hashlib.sha256(f"{request.path}\n{given}".encode()).hexdigest())
    client = dependencies().redis
    with redis_errors():
        if client.set(name, _IN_PROGRESS, nx=True, ex=IN_PROGRESS_S):
            g.idempotent_as = name
            return None
        found = client.get(name)
    if not found:
        raise IdempotentInProgress
    record = json.loads(found)
    if record["request"] != _digest():
        raise IdempotencyKeyReused
    return Response(record["body"], status=record["status"], headers=record["headers"])


def remember(response: Response) -> Response:
    """Keep an answer that says something was done; a refusal may come out otherwise the next time."""
    name = g.pop("idempotent_as", None)
    if name is None:
        return response
    client = dependencies().redis
    try:
        if response.status_code < 300:
            client.set(name, json.dumps(_record(response)), ex=KEPT_S)
        else:
            client.delete(name)
    except redis.RedisError as error:
        # It is done: whoever asks must hear so. The same again is refused until IN_PROGRESS_S have passed.
        log.warning("answer_not_kept", path=request.path, reason=str(error))
    return response


def _record(response: Response) -> dict[str, object]:
    headers = {name: response.headers[name] for name in ("Content-Type", "Location") if name in response.headers}
    body = response.get_data(as_text=True)
    return {"request": _digest(), "status": response.status_code, "headers": headers, "body": body}


def _digest() -> str:
    return hashlib.sha256(request.get_data()).hexdigest()


def register(app: Flask) -> None:
    """After the keys: whose request it is must be known. Before the compression, which has the answer after it."""
    app.before_request(recall)
    app.after_request(remember)
