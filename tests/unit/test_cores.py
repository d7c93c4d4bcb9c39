"""How many processors there are for us: control groups of both versions, and affinity."""

import os
from pathlib import Path

import pytest

from shared.cores import usable_cores
from tests.conftest import SettingsMaker

V2 = "0::/system.slice/klipstream.service\n"
V1 = "5:devices:/docker/abc\n1:cpu,cpuacct:/docker/abc\n0::/\n"
PLENTY = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine(root: Path, groups: str, **files: str) -> Path:
    """A folder that looks like the root of a machine. files: below sys/fs/cgroup, `__` for `/`."""
    files = {"/proc/self/cgroup": groups} | {f"/sys/fs/cgroup/{name}": text for name, text in files.items()}
    for name, text in files.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("groups", "files", "cores"),
    [
        (V2, {"system.slice/klipstream.service/cpu.max": "max 100000"}, PLENTY),
        (V2, {"system.slice/klipstream.service/cpu.max": "100000 100000"}, 1),
        (V2, {"system.slice/klipstream.service/cpu.max": "50000 100000"}, 1),  # half a processor
        (V2, {"system.slice/klipstream.service/cpu.max": "99900000 100000"}, PLENTY),
        # The group above is the narrower one
        (V2, {"system.slice/klipstream.service/cpu.max": "max 100000", "system.slice/cpu.max": "150000 100000"}, 1),
        # In a container: the path is the host's, the files are at the mount
        ("0::/../../elsewhere\n", {"cpu.max": "100000 100000"}, 1),
        (V2, {"cpu.max": "100000 100000"}, 1),
        (V1, {"cpu/docker/abc/cpu.cfs_quota_us": "100000", "cpu/docker/abc/cpu.cfs_period_us": "100000"}, 1),
        (V1, {"cpu/cpu.cfs_quota_us": "120000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        (V1, {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, PLENTY),
        # What makes no sense limits nothing
        (V2, {"cpu.max": "many"}, PLENTY),
        (V2, {"cpu.max": "100000 0"}, PLENTY),
        ("", {}, PLENTY),
    ],
)
def test_control_groups_are_kept_to(tmp_path: Path, groups: str, files: dict[str, str], cores: int) -> None:
    assert usable_cores(machine(tmp_path, groups, **files)) == cores


def test_a_machine_without_control_groups_has_its_processors(tmp_path: Path) -> None:
    assert usable_cores(tmp_path) == PLENTY


def test_the_setting_goes_before_what_the_machine_has(make_settings: SettingsMaker) -> None:
    assert make_settings(THREADS="3").threads == 3
