"""THREADS reaches the libraries: what a worker's numeric libraries and the encoder of a clip take."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.unit.analysis_made import SAMPLE
from workers.media.clips import cut_clip
from workers.media.ffmpeg import ffmpeg_path

# Loads what a pool loads, as the celery program does, and says how many threads come with it.
POOL = """
import os, sys
from celery import signals
from workers.app import app
signals.celeryd_init.send(sender=None, instance=None, conf=app.conf, options={"queues": [sys.argv[1]]})
before = len(os.listdir("/proc/self/task"))
import numpy
numpy.ones((500, 500)) @ numpy.ones((500, 500))
print(len(os.listdir("/proc/self/task")), os.environ["OMP_NUM_THREADS"])
"""


def threads_of_a_pool(tmp_path: Path, queue: str, **variables: str) -> tuple[int, str]:
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    environment = {**kept, "DATA_DIR": str(tmp_path), "REDIS_URL": "redis://127.0.0.1:1/0", **variables}
    told = subprocess.run(
        [sys.executable, "-c", POOL, queue], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    count, openmp = told.stdout.split()
    return int(count), openmp


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted in /proc")
@pytest.mark.parametrize("queue", ["transcription", "analysis"])
def test_the_numeric_libraries_of_a_pool_take_so_many_threads(tmp_path: Path, queue: str) -> None:
    one, two = (threads_of_a_pool(tmp_path, queue, THREADS=threads) for threads in "12")

    assert (one[1], two[1]) == ("1", "2")
    assert two[0] - one[0] == min(1, len(os.sched_getaffinity(0)) - 1)
    # What the operator sets for one library stays
    assert threads_of_a_pool(tmp_path, queue, THREADS="1", OMP_NUM_THREADS="7")[1] == "7"


@pytest.mark.parametrize("threads", [1, 3, 64])
def test_a_clip_is_encoded_with_so_many_threads_four_at_most(tmp_path: Path, threads: int) -> None:
    clip = tmp_path / "01.mp4"

    cut_clip(SAMPLE, begins_at_s=0, start_s=1, end_s=2, into=clip, ffmpeg=ffmpeg_path(), threads=threads)

    # x264 writes into the stream how it was made
    assert f" threads={min(threads, 4)} ".encode() in clip.read_bytes()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_affinity_is_kept_to() -> None:
    first = min(os.sched_getaffinity(0))
    code = (
        f"import os; os.sched_setaffinity(0, {{{first}}}); "
        "from shared.settings import settings; print(settings().threads)"
    )
    kept = {name: value for name, value in os.environ.items() if name != "THREADS"}

    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=kept, capture_output=True, text=True, check=True)

    assert told.stdout == "1\n"
