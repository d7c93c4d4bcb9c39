"""Locks that all machines see: redis-py's own, renewed for as long as the work inside takes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import redis
from redis.exceptions import LockError
from redis.lock import Lock

from shared.log import logger

RENEWALS = 3  # in a lock's life: two may get lost

log = logger("klipstream.locks")


@contextmanager
def held(client: redis.Redis, key: str, *, life_s: float) -> Iterator[bool]:
    """Whether nobody else is inside; False is the answer at once, it does not wait.

    life_s: how long a holder that died keeps the others out. Raises RedisError when the lock can't be asked for.
    """
    lock = Lock(client, key, timeout=life_s, thread_local=False)
    if not lock.acquire(blocking=False):
        yield False
        return
    try:
        with _renewed(lock, life_s):
            yield True
    finally:
        # It may have run out, or Redis may be away; then it runs out by itself.
        with suppress(redis.RedisError):
            lock.release()


@contextmanager
def renewed(client: redis.Redis, key: str, *, token: str, life_s: float) -> Iterator[None]:
    """Inside, a lock that a script of ours took under this token does not run out; it stays when it is left."""
    with _renewed(_taken(client, key, token, life_s), life_s):
        yield


@contextmanager
def _renewed(lock: Lock, life_s: float) -> Iterator[None]:
    done = threading.Event()
    threading.Thread(target=_renew, args=(lock, done, life_s / RENEWALS), name=f"lock-{lock.name}", daemon=True).start()
    try:
        yield
    finally:
        done.set()


def release(client: redis.Redis, key: str, *, token: str) -> None:
    """Remove the lock if this token holds it, such as one that a script of ours took."""
    with suppress(LockError):
        _taken(client, key, token).release()


def _taken(client: redis.Redis, key: str, token: str, life_s: float | None = None) -> Lock:
    lock = Lock(client, key, timeout=life_s, thread_local=False)
    lock.local.token = token
    return lock


def _renew(lock: Lock, done: threading.Event, every_s: float) -> None:
    while not done.wait(every_s):
        try:
            lock.reacquire()
        except LockError:
            if not done.is_set():
                log.warning("lock_lost", key=lock.name)
            return
        except redis.RedisError:
            continue  # away for now
