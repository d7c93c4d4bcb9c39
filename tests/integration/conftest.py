"""A real web server in front of the tests' Valkey. Jobs are moved by the tests themselves, through the store."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
import redis

from shared.artifacts.folder import FolderStore
from shared.redis.connection import connect
from shared.redis.embedded import free_port
from shared.redis.store import JobStore
from shared.settings import Settings
from tests.conftest import ROOT, read_settings_for, wait_until

NO_LIMITS = {
    "RATE_LIMIT_SUBMIT": "100000/minute",
    "RATE_LIMIT_READ": "100000/minute",
    "MAX_ACTIVE_JOBS_PER_KEY": "1000",
}
# Files that submissions of the tests name; nobody reads them.
# Files that tests name; nothing is in them.
MEDIA = [
    *(f"{name}.mp4" for name in ("demo", "other", "-b", 'c "2"', *"abcdefgh", *range(100))),
    *("chat.txt", "chat.json", "it's a $chat.json"),
]
GUNICORN = ("gunicorn", "-c", "web/gunicorn.conf.py", "web:app")
SETTING_NAMES = {name.upper() for name in Settings.__dataclass_fields__}


@dataclass(frozen=True, kw_only=True)
class Web:
    """A running server, and the database and files behind it."""

    url: str
    http: httpx.Client
    store: JobStore
    files: FolderStore

    def submit(self, url: str = "file:demo.mp4", **body: object) -> str:
        """The id of a new job."""
        answer = self.http.post("/api/v1/analysis", json={"url": url, **body}, params={"force": "true"})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job_id"])


@contextmanager
def running_web(data_dir: Path, redis_url: str, *, server: Sequence[str] = GUNICORN, **variables: str) -> Iterator[str]:
    """gunicorn as the stack runs it, or another server, on a free port; yields its address."""
    port = int(variables.get("PORT", 0)) or free_port()
    kept = {name: value for name, value in os.environ.items() if name not in SETTING_NAMES}
    wanted = {"DATA_DIR": str(data_dir), "REDIS_URL": redis_url, "PORT": str(port), **NO_LIMITS, **variables}
    url = f"http://127.0.0.1:{port}"
    data_dir.mkdir(parents=True, exist_ok=True)
    if media := variables.get("LOCAL_MEDIA_DIR"):
        for name in MEDIA:
            (Path(media) / name).touch()
    with (data_dir / "web.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *(part.format(port=port) for part in server)],
            env={**kept, **wanted},
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: _answers(url), seconds=120)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5).is_success
    except httpx.HTTPError:
        return False


def master_of(web: Web) -> psutil.Process:
    """gunicorn's first process."""
    port = web.url.rpartition(":")[2]
    (found,) = (child for child in psutil.Process().children() if child.environ().get("PORT") == port)
    return found


@contextmanager
def used(url: str, redis_url: str, data_dir: Path, *, key: str | None = None) -> Iterator[Web]:
    """A client of the server at `url`, on an empty database."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REDIS_URL", redis_url)
        client = connect(read_settings_for(data_dir), retries=0)
    client.flushall()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with httpx.Client(base_url=url, headers=headers, timeout=30) as http:
        yield Web(url=url, http=http, store=JobStore(client), files=FolderStore(data_dir / "artifacts"))
    client.connection_pool.disconnect()


@pytest.fixture(scope="session")
def open_server(tmp_path_factory: pytest.TempPathFactory, valkey_url: str) -> Iterator[tuple[str, Path]]:
    data_dir = tmp_path_factory.mktemp("web")
    with running_web(data_dir, valkey_url, LOCAL_MEDIA_DIR=str(data_dir)) as url:
        yield url, data_dir


@pytest.fixture
def web(open_server: tuple[str, Path], valkey_url: str) -> Iterator[Web]:
    """A server without keys."""
    url, data_dir = open_server
    with used(url, valkey_url, data_dir) as found:
        yield found


@pytest.fixture
def connected_clients(valkey_url: str) -> Iterator[Callable[[], int]]:
    """How many connections listen for events at the database: one for each web process that has a stream."""
    with redis.Redis.from_url(valkey_url, decode_responses=True) as client:
        yield lambda: len(client.client_list(_type="pubsub"))
