"""Locks that several processes take in a real Valkey."""

from shared.redis.locks import held, release
from shared.redis.store import JobStore
from tests.conftest import wait_until

KEY = "klip:test:lock"


def is_free(store: JobStore) -> bool:
    with held(store.redis, KEY, life_s=5) as here:
        return here


def test_only_one_is_inside_and_the_next_comes_after_it(store: JobStore) -> None:
    with held(store.redis, KEY, life_s=5) as here:
        assert here
        assert not is_free(store)

    assert is_free(store)


def test_work_that_takes_longer_than_the_life_of_a_lock_keeps_it(store: JobStore) -> None:
    life_s = 2.0
    with held(store.redis, KEY, life_s=life_s):
        began = store.redis.pttl(KEY)
        # Twice it has come close to its end, and begun anew.
        for _ in range(2):
            wait_until(lambda: int(store.redis.pttl(KEY)) < began - 200, seconds=20, every=0.02)
            wait_until(lambda: int(store.redis.pttl(KEY)) > began - 200, seconds=20, every=0.02)
        assert not is_free(store)


def test_the_lock_of_a_holder_that_died_runs_out(store: JobStore) -> None:
    store.redis.set(KEY, "dead", px=200)

    assert not is_free(store)
    wait_until(lambda: is_free(store), seconds=10)


def test_who_lost_the_lock_does_not_take_it_from_the_next(store: JobStore) -> None:
    with held(store.redis, KEY, life_s=5):
        store.redis.set(KEY, "next")

    assert store.redis.get(KEY) == "next"


def test_only_the_token_that_holds_a_lock_releases_it(store: JobStore) -> None:
    store.redis.set(KEY, "7")

    release(store.redis, KEY, token="6")
    assert store.redis.get(KEY) == "7"
    release(store.redis, KEY, token="7")
    assert store.redis.get(KEY) is None
