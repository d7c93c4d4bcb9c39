"""Tokens that let a browser read one job for a while: EventSource, <video>, <img> and links can't send a key.

Signed with a secret in Redis, so every web process takes what another one gave; who has no Redis has no jobs either.
"""

import hashlib
import secrets
from typing import NamedTuple

import redis
from itsdangerous import BadData, URLSafeTimedSerializer

from shared.redis import keys
from shared.redis.connection import redis_errors

LIFE_S = 15 * 60
_SALT = "klipstream.job-token"


class Grant(NamedTuple):
    """What a token stands for: reading the job, as its owner."""

    job_id: str
    owner: str


def made(client: redis.Redis, grant: Grant) -> str:
    """A token that is good for LIFE_S. Raises DatabaseError."""
    return str(_serializer(client).dumps(list(grant)))


def read(client: redis.Redis, token: str) -> Grant | None:
    """None for one that is none of ours, or too old. Raises DatabaseError."""
    try:
        record = _serializer(client).loads(token, max_age=LIFE_S)
    except BadData:
        return None
    return Grant(*record)


def _serializer(client: redis.Redis) -> URLSafeTimedSerializer:
    with redis_errors():
        secret = client.get(keys.TOKEN_SECRET)
        if secret is None:
            client.set(keys.TOKEN_SECRET, secrets.token_hex(32), nx=True)
            secret = client.get(keys.TOKEN_SECRET)
    return URLSafeTimedSerializer(str(secret), salt=_SALT, signer_kwargs={"digest_method": hashlib.sha256})
