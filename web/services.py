"""What requests work with: settings, jobs, files, the hub. One set per application, made when first used."""

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path
from typing import cast

import redis
from flask import Flask, current_app

from shared.artifacts import ArtifactStore, open_store
from shared.clients import WEB_RETRIES, connect
from shared.errors import DatabaseError
from shared.settings import Settings
from shared.store import JobStore
from web.hub import Hub

EXTENSION = "klipstream"


class Services:
    def __init__(self, config: Settings) -> None:
        self.config = config

    @cached_property
    def redis(self) -> redis.Redis:
        return connect(self.config, retries=WEB_RETRIES)

    @cached_property
    def store(self) -> JobStore:
        return JobStore(self.redis)

    @cached_property
    def artifacts(self) -> ArtifactStore:
        return open_store(self.config)

    @cached_property
    def hub(self) -> Hub:
        # A connection of its own: the hub's is always busy and must never wait for the requests' pool.
        return Hub(connect(self.config, retries=0))


def install(app: Flask, services: Services) -> None:
    app.extensions[EXTENSION] = services


def services() -> Services:
    """Those of the application that handles this request."""
    return cast("Services", current_app.extensions[EXTENSION])


@contextmanager
def redis_errors() -> Iterator[None]:
    """Turn Redis' errors into ours."""
    try:
        yield
    except redis.RedisError as error:
        raise DatabaseError from error


@cache
def version() -> str:
    project = tomllib.loads((Path(__file__).resolve().parent.parent / "pyproject.toml").read_text())
    return str(project["project"]["version"])
