"""The Helm chart's manifests, made by Helm itself. `python -m tests.chart FOLDER` writes them as files."""

import json
import subprocess
import sys
from pathlib import Path
from typing import TypeAlias

import pytest
import yaml

from tests.conftest import ROOT

CHART = ROOT / "deploy/helm/klipstream"
Manifest: TypeAlias = dict[str, object]
Rendered: TypeAlias = dict[str, str]  # file to text

# Helm is a library in Go, which brings its own signal handlers and threads: it stays in a process of its own.
_RENDER = """
import json, sys
from helm_python.chart import Chart, lint
path, values = sys.argv[1], json.loads(sys.argv[2])
files = Chart.load(path).render(values, name="klip", namespace="klipstream")
json.dump({"files": files, "lint": lint(path, values, strict=True)}, sys.stdout)
"""


class ChartError(Exception):
    """Helm can't make the chart's manifests, or has something to say about it."""


def render(values: Manifest) -> Rendered:
    """Each template's text. Raises ChartError."""
    command = [sys.executable, "-c", _RENDER, str(CHART), json.dumps(values)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise ChartError(done.stderr)
    made = json.loads(done.stdout)
    said = [each for each in made["lint"]["messages"] if each["severity"] >= 2]
    if said or made["lint"]["errors"]:
        raise ChartError(f"{said} {made['lint']['errors']}")
    files: Rendered = made["files"]
    return files


def manifests(values: Manifest) -> list[Manifest]:
    """Every object that the chart makes. Skips the test where Helm does not run."""
    pytest.importorskip("helm_python", reason="pip install helm-python-sdk (Linux on x86-64)")
    return [each for text in render(values).values() for each in yaml.safe_load_all(text) if each]


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    everything: Manifest = {"flower": {"enabled": True}, "ingress": {"enabled": True}}
    for name, text in render(everything).items():
        (folder / Path(name).name).write_text(text)
