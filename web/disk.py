"""The disk that holds DATA_DIR on this machine."""

import shutil
from pathlib import Path
from typing import NamedTuple


class DiskUsage(NamedTuple):
    """In bytes."""

    free: int
    total: int


def disk_usage(data_dir: Path) -> DiskUsage:
    """DATA_DIR may not have been made yet; its disk is that of the nearest folder above."""
    folder = next(path for path in (data_dir, *data_dir.parents) if path.exists())
    usage = shutil.disk_usage(folder)
    return DiskUsage(usage.free, usage.total)
