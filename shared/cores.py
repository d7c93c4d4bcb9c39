"""How many processors this process may use: what affinity and the limits of its control groups leave it."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def usable_cores(root: Path = Path("/")) -> int:
    """At least 1. root: the folder with `proc` and `sys`.

    A part of a processor is not counted: a thread for it would keep the others waiting.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min([allowed, *_limits(root)])))


def _limits(root: Path) -> Iterator[float]:
    """Processors that each control group above this process allows, where it is limited."""
    for controllers, group in _groups(root):
        if not controllers:
            for folder in _upwards(root / "sys/fs/cgroup", group):
                yield from _quota(*_numbers(folder / "cpu.max"))
        elif "cpu" in controllers.split(","):
            for folder in _upwards(root / "sys/fs/cgroup/cpu", group):
                quota, period = _numbers(folder / "cpu.cfs_quota_us"), _numbers(folder / "cpu.cfs_period_us")
                yield from _quota(*quota, *period)


def _groups(root: Path) -> Iterator[tuple[str, str]]:
    """Controllers ("" in version 2) and path of each hierarchy."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return  # no Linux
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        yield controllers, group


def _upwards(mount: Path, group: str) -> Iterator[Path]:
    """The group's folder and those above it. In a container the path may be the host's, and only the mount be there."""
    path = PurePosixPath(group.lstrip("/"))
    for part in (path, *path.parents):
        if ".." not in part.parts:
            yield mount / part


def _numbers(file: Path) -> list[float]:
    """The numbers in the file; none where it is missing or says that there is no limit."""
    try:
        return [float(word) for word in file.read_text().split()]
    except (OSError, ValueError):
        return []


def _quota(*numbers: float) -> Iterator[float]:
    if len(numbers) == 2 and min(numbers) > 0:
        yield numbers[0] / numbers[1]
