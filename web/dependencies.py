"""What requests work with: settings, jobs, files, the hub. One set per application, made when first used."""

import resource
import tomllib
from functools import cache, cached_property
from pathlib import Path
from typing import cast

from flask import Flask, current_app
from redis import Redis

from shared.artifacts.factory import open_store
from shared.artifacts.store import ArtifactStore
from shared.errors import DatabaseError
from shared.redis.breaker import Breakers
from shared.redis.connection import WEB_RETRIES, connect
from shared.redis.store import JobStore
from shared.settings import Settings, SettingsError
from web.hub import Hub
from web.key_ring import KeyRing

EXTENSION = "klipstream"
FILES_FOR_REQUESTS = 512


class Dependencies:
    """What requests share; connected when first used."""

    def __init__(self, config: Settings) -> None:
        self.config = config

    @cached_property
    def keys(self) -> KeyRing:
        return KeyRing(self.config.api_keys)

    @cached_property
    def redis(self) -> Redis:
        return self._connect(retries=WEB_RETRIES)

    @cached_property
    def store(self) -> JobStore:
        return JobStore(self.redis)

    @cached_property
    def artifacts(self) -> ArtifactStore:
        return open_store(self.config, breakers=Breakers(self.redis))

    @cached_property
    def hub(self) -> Hub:
        # A connection of its own: the hub's is always busy and must never wait for the requests' pool.
        return Hub(self._connect(retries=0), self.store, max_streams=self._most_streams())

    def _most_streams(self) -> int:
        """Each stream is an open file, and requests must still find some when no stream does."""
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return max(1, min(self.config.max_streams, files - FILES_FOR_REQUESTS))

    def _connect(self, *, retries: int) -> Redis:
        try:
            return connect(self.config, retries=retries)
        except SettingsError as error:
            raise DatabaseError from error  # no stack was started here, so there is no embedded server to know of


def install(app: Flask, dependencies: Dependencies) -> None:
    """Give the application its dependencies."""
    app.extensions[EXTENSION] = dependencies


def dependencies() -> Dependencies:
    """Those of the application that handles this request."""
    return cast("Dependencies", current_app.extensions[EXTENSION])


@cache
def version() -> str:
    """KlipStream's own, from pyproject.toml."""
    project = tomllib.loads((Path(__file__).resolve().parent.parent / "pyproject.toml").read_text())
    return str(project["project"]["version"])
