"""The folder in which the processes of one gunicorn share their counts (prometheus_client's multi-process mode)."""

import os
import re
import shutil
import socket
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client's own; it reads it when it is imported
PREFIX = "web-metrics"


def prepare(run: Path) -> None:
    """Make this server's folder below `run`, empty unless gunicorn only reads its settings again. Raises OSError."""
    folder = run / f"{PREFIX}-{_host()}-{os.getpid()}"
    _remove_those_of_the_dead(run)
    if os.environ.get(VARIABLE) != str(folder):
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    os.environ[VARIABLE] = str(folder)


def remove() -> None:
    """Remove the folder of this server, which ends."""
    shutil.rmtree(os.environ[VARIABLE], ignore_errors=True)


def _host() -> str:
    # Containers may share the folder, and have the same process ids.
    return re.sub(r"[^A-Za-z0-9.]", "_", socket.gethostname())


def _remove_those_of_the_dead(run: Path) -> None:
    for folder in run.glob(f"{PREFIX}-{_host()}-*"):
        pid = folder.name.rpartition("-")[2]
        if pid.isdigit() and not _is_alive(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
