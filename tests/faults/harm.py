"""Finding the processes of a running stack, and killing them."""

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from shared.redis.connection import connect
from shared.redis.embedded import folder
from shared.redis.store import JobStore
from shared.settings import read_settings
from shared.stages import QUEUES
from tests.conftest import read_settings_for
from web.cli.stack import Stack


def family(pid: int) -> list[psutil.Process]:
    """Every process below `pid`."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).children(recursive=True)
    return []


def command_of(process: psutil.Process) -> str:
    with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
        return " ".join(process.cmdline())
    return ""


def workers(stack: Stack) -> dict[str, psutil.Process]:
    """The parent process of each pool that runs, by queue."""
    found = {}
    for process in psutil.Process(stack.pid).children():
        command = command_of(process)
        found.update({queue: process for queue in QUEUES if f"worker -Q {queue} " in command})
    return found


def kill(processes: list[psutil.Process]) -> list[int]:
    """SIGKILL; the pids of those that were there."""
    killed = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
            killed.append(process.pid)
    return killed


def kill_everything(stack: Stack) -> None:
    """SIGKILL for every process of the stack at once, as a power cut would."""
    below = family(stack.pid)
    os.kill(stack.pid, signal.SIGKILL)
    kill(below)
    psutil.wait_procs(below, timeout=10)


def kill_valkey(stack: Stack) -> None:
    """SIGKILL for the database; supervisord starts it again at once."""
    servers = [process for process in family(stack.pid) if "valkey-server" in command_of(process)]
    assert kill(servers)
    psutil.wait_procs(servers, timeout=10)


@contextmanager
def valkey_away(stack: Stack, data_dir: Path) -> Iterator[None]:
    """SIGKILL for the database, and it can't start while the block runs: its folder is locked."""
    with (data_dir / "valkey" / "lock").open("r+") as lock:
        kill_valkey(stack)
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def store_of(data_dir: Path) -> JobStore:
    """The jobs of the stack that runs in `data_dir`."""
    url = (folder(read_settings_for(data_dir)) / "url").read_text()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REDIS_URL", url)
        patch.setenv("DATA_DIR", str(data_dir))
        return JobStore(connect(read_settings(), retries=3))
