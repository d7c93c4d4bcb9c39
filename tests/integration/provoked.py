"""Real failures of real libraries, one function each, with the code of the catalogue that they have to end as.

A row raises what the library raised, or what our edge to the library made of it. `test_error_catalogue` runs them all.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from shared.errors import catalogue
from tests.conftest import ROOT
from tests.peers.canned import canned
from tests.peers.twitch_process import TwitchPeer

NOWHERE = "nothing.invalid"  # a name that never resolves (RFC 6761)
REFUSED = "http://127.0.0.1:9"
SOON_S = 0.2
ASKED_S = 77.0


@dataclass(frozen=True, kw_only=True)
class Place:
    """What rows may use. folder: of this row alone.  stack: what it opens is closed after it."""

    folder: Path
    stack: ExitStack
    twitch: TwitchPeer
    valkey: str
    video: Path

    def silent(self) -> str:
        """A server that takes connections and never answers."""
        return self.stack.enter_context(canned())

    def answering(self, answer: bytes, *, hangs_up: bool = True) -> str:
        return self.stack.enter_context(canned(answer, hangs_up=hangs_up))

    def full(self) -> Path:
        """A file that takes nothing. A link, because what can't be written may be removed."""
        path = self.folder / "full"
        path.symlink_to("/dev/full")
        return path

    def program(self, script: str) -> str:
        path = self.folder / "program"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return str(path)


Provoke = Callable[[Place], object]


class Row(NamedTuple):
    """retry_after_s: None stands for what the catalogue says."""

    code: str
    retry_after_s: float | None
    provoke: Provoke


ROWS: list[Row] = []


def row(code: str, *, retry_after_s: float | None = None) -> Callable[[Provoke], Provoke]:
    def add(provoke: Provoke) -> Provoke:
        ROWS.append(Row(code, retry_after_s, provoke))
        return provoke

    return add


def in_child(statements: str) -> None:
    """Run them in a process of its own, and raise here what `classify` makes of what they raise there."""
    indented = "\n".join(f"    {line}" for line in statements.strip().splitlines())
    program = (
        "import json, os, resource, threading\n"
        "from pathlib import Path\n"
        "from shared.net.edges import classify\n"
        f"try:\n{indented}\n"
        "except Exception as error:\n"
        "    os.write(1, json.dumps([classify(error).code, repr(error)]).encode())\n"
    )
    said = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, timeout=30, check=True).stdout
    assert said, "nothing was raised"
    code, text = json.loads(said)
    raise catalogue()[code](text)


def killed_by(number: int) -> None:
    """A program that ends by a signal."""
    subprocess.run(["sh", "-c", f"kill -{number} $$"], check=True, capture_output=True)
