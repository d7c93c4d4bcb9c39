"""Jobs cancelled at any moment: queued, between stages, in a download, in whisper, in ffmpeg."""

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.acceptance.conftest import SAMPLES, Api, running_stack
from tests.conftest import wait_until
from tests.faults import harm
from tests.peers.twitch_process import TwitchPeer
from web.cli.stack import Stack

CANCELS = 200
AT_ONCE = 4  # as many jobs as the pools have children
LATEST_S = 12.0
# Half of the jobs are long in whisper, half soon in ffmpeg.
SOURCES = ("file:demo.mp4", "9500")
GONE_WITHIN_S = 5.0
FILES_GONE_WITHIN_S = 30.0


def left_of(data_dir: Path, job_id: str) -> list[Path]:
    """What is on the disk of a job."""
    return [place / job_id for place in (data_dir / "work", data_dir / "artifacts") if (place / job_id).exists()]


def cancel_at(stack: Stack, data_dir: Path, source: str, moment_s: float) -> tuple[str, str, float, float] | None:
    """Submit, wait, cancel. The job, the stage it was in, seconds to `cancelled` and until its work had stopped.

    None when it had ended before.
    """
    with Api(stack.url) as api:
        job_id = api.submit(source, force=True)["job_id"]
        time.sleep(moment_s)  # any moment
        seen = api.job(job_id)
        stage = "queued" if seen["status"] == "queued" else seen["progress"]["current_stage"]
        began = time.monotonic()
        if api.http.delete(f"/api/v1/analysis/{job_id}").status_code != 202:
            return None
        wait_until(lambda: api.job(job_id)["status"] == "cancelled", seconds=GONE_WITHIN_S)
        cancelled_s = time.monotonic() - began
        wait_until(lambda: not (data_dir / "work" / job_id).exists(), seconds=FILES_GONE_WITHIN_S)
        return job_id, stage, cancelled_s, time.monotonic() - began


def test_two_hundred_jobs_cancelled_at_random_moments(
    peer: TwitchPeer, tmp_path: Path, dice: random.Random, figures: dict[str, Any]
) -> None:
    peer.control(vods=[{"id": SOURCES[1], "seconds": 60, "comments": 300}], link={"latency_ms": 40})
    settings = {
        "TWITCH_HOST_MAP": peer.setting(),
        "LOCAL_MEDIA_DIR": str(SAMPLES),
        "CANCELLED_KEEP_MINUTES": "0",
    }
    moments = [dice.uniform(0, LATEST_S) for _ in range(CANCELS)]
    with running_stack(tmp_path, **settings) as stack, Api(stack.url) as api:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            tasks = [
                pool.submit(cancel_at, stack, tmp_path, SOURCES[n % 2], moment) for n, moment in enumerate(moments)
            ]
            done = [found for task in tasks if (found := task.result()) is not None]
        ids = [job_id for job_id, *_ in done]
        stopped_at = time.monotonic()
        wait_until(lambda: not any(left_of(tmp_path, job_id) for job_id in ids), seconds=FILES_GONE_WITHIN_S)
        files_gone_s = time.monotonic() - stopped_at
        statuses = {api.job(job_id)["status"] for job_id in ids}
        children = [harm.command_of(process) for process in harm.family(stack.pid) if "ffmpeg" in process.name()]

    figures.update(
        tried=CANCELS,
        cancelled=len(done),
        in_stage=dict(Counter(stage for _, stage, _, _ in done)),
        slowest_to_cancelled_s=round(max(seconds for _, _, seconds, _ in done), 2),
        slowest_work_stopped_s=round(max(seconds for *_, seconds in done), 2),
        files_gone_s=round(files_gone_s, 1),
    )
    assert len(done) > CANCELS / 2
    assert statuses == {"cancelled"}
    assert max(seconds for *_, seconds in done) <= GONE_WITHIN_S
    assert children == []
