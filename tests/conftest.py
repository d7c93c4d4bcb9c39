"""Fixtures on real servers: a Valkey of our own for the tests, and settings that point at it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from environs import Env

from shared.redis.connection import connect
from shared.redis.embedded import choose_address, folder
from shared.redis.store import JobStore
from shared.settings import Settings, read_settings

ROOT = Path(__file__).resolve().parent.parent
SettingsMaker = Callable[..., Settings]


@pytest.fixture
def make_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SettingsMaker:
    """Settings of a fresh environment: only what the test names is set."""

    def make(**variables: str) -> Settings:
        for name in list(os.environ):
            if name.removesuffix("_FILE") in _SETTING_NAMES:
                monkeypatch.delenv(name)
        for name, value in {"DATA_DIR": str(tmp_path / "data"), **variables}.items():
            monkeypatch.setenv(name, value)
        return read_settings(Env())

    return make


_SETTING_NAMES = {name.upper() for name in Settings.__dataclass_fields__}


@contextmanager
def running_valkey(data_dir: Path) -> Iterator[str]:
    """The embedded server as the stack runs it, on a free port."""
    config = read_settings_for(data_dir)
    url = choose_address(config)
    with (folder(config) / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "shared.redis.embedded"],
            env={**os.environ, "DATA_DIR": str(data_dir)},
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: _answers(url), seconds=10)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def read_settings_for(data_dir: Path) -> Settings:
    env = Env()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATA_DIR", str(data_dir))
        return read_settings(env)


def _answers(url: str) -> bool:
    with redis.Redis.from_url(url) as client:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False


def wait_until(condition: Callable[[], bool], *, seconds: float = 10, every: float = 0.05) -> None:
    """Poll until the condition holds. Fails the test when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{condition} did not hold within {seconds} s"
        time.sleep(every)


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_valkey(tmp_path_factory.mktemp("valkey")) as url:
        yield url


@pytest.fixture
def config(make_settings: SettingsMaker, valkey_url: str) -> Settings:
    """Settings on an empty database."""
    made = make_settings(REDIS_URL=valkey_url)
    with redis.Redis.from_url(valkey_url) as client:
        client.flushall()
    return made


@pytest.fixture
def store(config: Settings) -> Iterator[JobStore]:
    client = connect(config, retries=0)
    yield JobStore(client)
    client.connection_pool.disconnect()
    client.close()
