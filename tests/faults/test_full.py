"""No room: on the disk in the middle of a stage, or in Redis. Jobs wait, and go on when there is some again."""

import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.acceptance.conftest import TERMINAL, Api, running_stack
from tests.conftest import wait_until
from tests.faults.conftest import VODS
from tests.faults.harm import store_of
from tests.peers.twitch_process import TwitchPeer

JOBS = 5
VOD, SECONDS = "9400", 1200
DISK_MB = 1400  # a download leaves the last GiB alone, so the disk has to be a little larger
HELD_S = 20.0  # how long there is no room


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of DISK_MB for the block. Needs root."""
    assert os.geteuid() == 0, "this fault needs root, to mount a small file system"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(disk: Path) -> Path:
    """One file that takes all the room there is."""
    filler = disk / "filler"
    done = subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=1M"], capture_output=True, text=True, check=False)
    assert "No space left" in done.stderr
    return filler


def all_ended(api: Api, ids: list[str]) -> bool:
    """Whether every job has ended. An API that can't tell yet counts as no."""
    answers = [api.http.get(f"/api/v1/analysis/{job_id}") for job_id in ids]
    return all(answer.is_success and answer.json()["status"] in TERMINAL for answer in answers)


def codes(jobs: list[dict[str, Any]]) -> Counter[str]:
    """Why stages of these jobs were tried again, or the jobs failed."""
    found = Counter(retry["code"] for job in jobs for retry in job["retries"])
    found.update(job["error"]["code"] for job in jobs if job["error"])
    return found


def test_a_full_disk_is_waited_out(
    peer: TwitchPeer, listener: dict[str, str], tmp_path: Path, figures: dict[str, Any]
) -> None:
    # A slow link: the disk is full while downloads are under way.
    peer.control(vods=[{"id": VOD, "seconds": SECONDS, "comments": 200}], link={"bytes_per_s": 500_000})
    with small_disk(tmp_path / "disk") as disk:
        # The database is elsewhere: what it does without room is another matter.
        settings = {"TWITCH_HOST_MAP": peer.setting(), "ARTIFACTS_URL": str(disk / "artifacts"), **listener}
        (tmp_path / "data").mkdir()
        (disk / "work").mkdir()
        (tmp_path / "data" / "work").symlink_to(disk / "work")
        with running_stack(tmp_path / "data", **settings) as stack, Api(stack.url) as api:
            ids = [api.submit(VOD, force=True)["job_id"] for _ in range(JOBS)]
            wait_until(lambda: any(api.job(i)["progress"]["percentage"] > 0 for i in ids), seconds=60)
            filler = fill(disk)
            full_at = time.monotonic()

            def all_wait() -> bool:
                jobs = [api.job(job_id) for job_id in ids]
                return all(job["retries"] or job["status"] in TERMINAL for job in jobs)

            wait_until(all_wait, seconds=90, every=0.5)
            wait_until(lambda: time.monotonic() - full_at > HELD_S, seconds=HELD_S + 1)
            met = codes([api.job(job_id) for job_id in ids])
            filler.unlink()
            peer.control(link={})
            freed = time.monotonic()
            retried = 0
            for job_id in ids:
                if api.job(job_id)["status"] == "failed":
                    retried += api.http.post(f"/api/v1/analysis/{job_id}/retry").status_code == 202
            wait_until(lambda: all_ended(api, ids), seconds=400, every=1)
            jobs = [api.job(job_id) for job_id in ids]

    figures.update(
        jobs=JOBS,
        completed=sum(job["status"] == "completed" for job in jobs),
        met=dict(met),
        failed_and_retried_by_hand=retried,
        seconds_full=round(freed - full_at, 1),
        seconds_to_all_after=round(time.monotonic() - freed, 1),
    )
    assert {job["status"] for job in jobs} == {"completed"}, [job["error"] for job in jobs if job["error"]]
    assert set(met) == {"INSUFFICIENT_STORAGE"}


def test_a_disk_that_is_full_under_everything_is_waited_out(
    peer: TwitchPeer, listener: dict[str, str], tmp_path: Path, figures: dict[str, Any]
) -> None:
    peer.control(vods=[{"id": VOD, "seconds": SECONDS, "comments": 200}], link={"bytes_per_s": 500_000})
    settings = {"TWITCH_HOST_MAP": peer.setting(), **listener}
    with small_disk(tmp_path / "disk") as disk, running_stack(disk, **settings) as stack, Api(stack.url) as api:
        ids = [api.submit(VOD, force=True)["job_id"] for _ in range(JOBS)]
        wait_until(lambda: any(api.job(i)["progress"]["percentage"] > 0 for i in ids), seconds=60)
        filler = fill(disk)
        full_at = time.monotonic()
        wait_until(lambda: time.monotonic() - full_at > HELD_S, seconds=HELD_S + 1)
        posts = [httpx.post(f"{stack.url}/api/v1/analysis", json={"url": vod}, timeout=30) for vod in VODS[:JOBS]]
        ids += [answer.json()["job_id"] for answer in posts if answer.status_code == 202]
        filler.unlink()
        peer.control(link={})
        freed = time.monotonic()
        wait_until(lambda: all_ended(api, ids), seconds=400, every=1)
        jobs = [api.job(job_id) for job_id in ids]

    answers = Counter(answer.status_code for answer in posts)
    figures.update(
        jobs=len(ids),
        completed=sum(job["status"] == "completed" for job in jobs),
        met=dict(codes(jobs)),
        answers_while_full=dict(answers),
        seconds_to_all_after=round(time.monotonic() - freed, 1),
    )
    assert {job["status"] for job in jobs} == {"completed"}, [job["error"] for job in jobs if job["error"]]
    assert set(answers) <= {202, 503}


def test_a_full_redis_refuses_new_jobs_and_keeps_the_old_ones(
    peer: TwitchPeer, listener: dict[str, str], tmp_path: Path, figures: dict[str, Any]
) -> None:
    settings = {"TWITCH_HOST_MAP": peer.setting(), **listener}
    with running_stack(tmp_path, **settings) as stack, Api(stack.url) as api:
        ids = [api.submit(vod, force=True)["job_id"] for vod in VODS[: JOBS * 2]]
        redis = store_of(tmp_path).redis
        wait_until(lambda: any(api.job(i)["progress"]["percentage"] > 0 for i in ids), seconds=60)
        redis.config_set("maxmemory", 1)
        refused = [httpx.post(f"{stack.url}/api/v1/analysis", json={"url": VODS[-1]}, timeout=30) for _ in range(3)]
        seen = api.http.get(f"/api/v1/analysis/{ids[0]}")
        full_at = time.monotonic()
        wait_until(lambda: time.monotonic() - full_at > HELD_S, seconds=HELD_S + 1)
        before = Counter(api.job(job_id)["status"] for job_id in ids)
        redis.config_set("maxmemory", 0)
        freed = time.monotonic()
        wait_until(lambda: all_ended(api, ids), seconds=200, every=0.5)
        jobs = [api.job(job_id) for job_id in ids]
        redis.connection_pool.disconnect()

    figures.update(
        jobs=len(ids),
        completed=sum(job["status"] == "completed" for job in jobs),
        refused_with=refused[0].json()["code"],
        status_while_full=dict(before),
        seconds_to_all_after=round(time.monotonic() - freed, 1),
    )
    assert {answer.status_code for answer in refused} == {503}
    assert {answer.json()["code"] for answer in refused} == {"DATABASE_ERROR"}
    assert seen.status_code == 200
    assert {job["status"] for job in jobs} == {"completed"}, [job["error"] for job in jobs if job["error"]]
    assert {job["attempt"] for job in jobs} == {1}
