"""The whole stack as processes, driven over HTTP as a user would."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from environs import Env
from httpx_sse import connect_sse

from shared.settings import Settings, read_settings
from tests.conftest import ROOT, wait_until
from web.cli.stack import Stack

SAMPLES = ROOT / "samples"
NO_LIMITS = {
    "RATE_LIMIT_SUBMIT": "100000/minute",
    "RATE_LIMIT_READ": "100000/minute",
    "MAX_ACTIVE_JOBS_PER_KEY": "1000",
}
TERMINAL = {"completed", "failed", "cancelled"}


@contextmanager
def running_stack(data_dir: Path, **variables: str) -> Iterator[Stack]:
    """A stack of its own, ready: free port, embedded Valkey, files under `data_dir`."""
    wanted = {**NO_LIMITS, "DATA_DIR": str(data_dir), "PORT": "0", **variables}
    with pytest.MonkeyPatch.context() as patch:
        for name in Settings.__dataclass_fields__:
            patch.delenv(name.upper(), raising=False)
        for name, value in wanted.items():
            patch.setenv(name, value)
        with Stack(read_settings(Env()), quiet=True) as stack:
            stack.wait_until_ready()
            yield stack


class Api:
    """The HTTP API as a client sees it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=30)

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def submit(self, url: str, *, force: bool = False, **more: Any) -> dict[str, Any]:
        """A new job, or the one that already does this work."""
        params = {"force": "true"} if force else {}
        answer = self.http.post("/api/v1/analysis", params=params, json={"url": url, **more})
        assert answer.status_code in {200, 202}, answer.text
        job: dict[str, Any] = answer.json()
        return job

    def job(self, job_id: str) -> dict[str, Any]:
        job: dict[str, Any] = self.http.get(f"/api/v1/analysis/{job_id}").raise_for_status().json()
        return job

    def wait(self, job_id: str, *, seconds: float = 120) -> dict[str, Any]:
        """The job once it has ended."""
        wait_until(lambda: self.job(job_id)["status"] in TERMINAL, seconds=seconds, every=0.25)
        return self.job(job_id)

    def results(self, job_id: str) -> dict[str, Any]:
        document: dict[str, Any] = self.http.get(f"/api/v1/analysis/{job_id}/results").raise_for_status().json()
        return document

    def download(self, path: str, into: Path) -> Path:
        target = into / path.replace("/", "_")
        target.write_bytes(self.http.get(path, follow_redirects=True).raise_for_status().content)
        return target

    def events(self, job_id: str) -> Iterator[dict[str, Any]]:
        """Every event of the job's stream until the server closes it."""
        with connect_sse(self.http, "GET", f"/api/v1/analysis/{job_id}/stream", timeout=120) as source:
            for event in source.iter_sse():
                if event.data:
                    yield json.loads(event.data)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack for every test that does not harm it."""
    with running_stack(tmp_path_factory.mktemp("stack"), LOCAL_MEDIA_DIR=str(SAMPLES)) as running:
        yield running


@pytest.fixture(scope="session")
def api(stack: Stack) -> Iterator[Api]:
    with Api(stack.url) as client:
        yield client
