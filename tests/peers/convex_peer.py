"""The Convex stand-in of `tests/peers/convex`, for Python tests. Node comes from a wheel, its packages from npm."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from tests.conftest import ROOT
from tests.node import BIN, install
from tests.peers.processes import listening

FOLDER = ROOT / "tests" / "peers" / "convex"
DEPLOY_KEY = "prod:standin-1|key"


class ConvexPeer:
    """A running stand-in."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def control(self, fault: str | None, times: int | None = None) -> None:
        body = {"fault": fault} | ({"times": times} if times is not None else {})
        requests.post(f"{self.url}/_control", json=body, timeout=5).raise_for_status()

    def reset(self, *, deployed: str = "now") -> None:
        """Forget everything. deployed: `now`, or `before` for the functions that the frontend had before ours."""
        requests.post(f"{self.url}/_reset", json={"deployed": deployed}, timeout=5).raise_for_status()

    def calls(self) -> list[dict[str, Any]]:
        """The mutations that were carried out, in order: path, args, value."""
        calls: list[dict[str, Any]] = requests.get(f"{self.url}/_calls", timeout=5).json()
        return calls

    def rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = requests.get(f"{self.url}/_rows", timeout=5).json()
        return rows

    def post(self, kind: str, path: str, args: dict[str, Any], *, key: str | None = None) -> requests.Response:
        """A call of the HTTP API as anybody can make it; with the deploy key if given."""
        headers = {"Authorization": f"Convex {key}"} if key else {}
        body = {"path": path, "args": args, "format": "json"}
        return requests.post(f"{self.url}/api/{kind}", json=body, headers=headers, timeout=5)


@contextmanager
def running_convex() -> Iterator[ConvexPeer]:
    install()
    with tempfile.TemporaryDirectory() as folder:
        port_file = Path(folder) / "port"
        with listening([BIN / "node", FOLDER / "server.mjs", port_file, DEPLOY_KEY], port_file=port_file) as port:
            yield ConvexPeer(port)
