"""Clients generated of the OpenAPI document by others' tools: their types hold, and they work on the stack."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.acceptance.conftest import Api
from tests.conftest import ROOT
from tests.node import NODE, install

FOLDER = ROOT / "tests" / "generated"
LIMIT_S = 600


def run(command: Sequence[str | Path], folder: Path) -> str:
    """What the command prints. Fails with all it said when it fails."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        command, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture
def folder(api: Api, tmp_path: Path) -> Path:
    """With the running stack's document, and what users wrote on the clients."""
    (tmp_path / "openapi.json").write_bytes(api.http.get("/openapi.json").raise_for_status().content)
    for name in ("use_client.py", "mypy.ini", "use_client.ts", "tsconfig.json", "package.json"):
        shutil.copy(FOLDER / name, tmp_path)
    return tmp_path


def check(api: Api, told: str) -> None:
    """What a client printed is what the stack has."""
    found = json.loads(told.splitlines()[-1])
    newest = api.http.get("/api/v1/jobs?status=completed&limit=1").json()["jobs"][0]
    results = api.results(newest["job_id"])
    clip = api.http.get(results["files"]["clips/01.mp4"]).content
    assert found == {
        "status": "completed",
        "highlights": [highlight["start_seconds"] for highlight in results["highlights"]],
        "chatters": results["chat"]["chatters"],
        "clip_bytes": len(clip),
        "manifest_bytes": len(clip),
        "cues": len(results["highlights"]),
        "verdict": "good",
        "refused": ["JOB_NOT_FOUND", "UNSUPPORTED_SOURCE"],
    }


@pytest.mark.timeout(LIMIT_S)
def test_a_python_client_is_typed_and_works(api: Api, folder: Path) -> None:
    made = ("--path", "openapi.json", "--meta", "none", "--output-path", "generated_client", "--fail-on-warning")
    run(["openapi-python-client", "generate", *made], folder)
    run([sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "use_client.py", "generated_client"], folder)

    check(api, run([sys.executable, "use_client.py", api.url], folder))


@pytest.mark.timeout(LIMIT_S)
def test_a_typescript_client_is_typed_and_works(api: Api, folder: Path) -> None:
    modules = install(FOLDER)
    (folder / "node_modules").symlink_to(modules)
    run([NODE, modules / "openapi-typescript" / "bin" / "cli.js", "openapi.json", "-o", "klipstream.d.ts"], folder)
    run([NODE, modules / "typescript" / "bin" / "tsc", "-p", "."], folder)

    check(api, run([NODE, "use_client.ts", api.url], folder))
