"""Processes are killed while jobs run; every accepted job ends in the right state, once."""

import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

from tests.acceptance.conftest import Api, running_stack
from tests.conftest import wait_until
from tests.faults.conftest import VODS, log_events, workers_of
from tests.peers.twitch_process import TwitchPeer

ROUNDS = 16
# What has the job's id or times of this run in it differs between two runs by right.
OF_THE_RUN = ("results.json", "highlights.json", "highlights.csv")


def artifacts(api: Api, job_id: str) -> dict[str, str]:
    """sha256 by name of what must be the same in every run."""
    manifest = api.http.get(f"/api/v1/analysis/{job_id}/files/manifest.json").raise_for_status().json()
    return {name: entry["sha256"] for name, entry in manifest["files"].items() if name not in OF_THE_RUN}


def wait_for_all(api: Api, jobs: list[str], *, seconds: float) -> list[dict[str, Any]]:
    return [api.wait(job_id, seconds=seconds) for job_id in jobs]


def test_pool_processes_killed_at_random_lose_nothing_and_double_nothing(
    peer: TwitchPeer, tmp_path: Path, dice: random.Random
) -> None:
    with running_stack(tmp_path, TWITCH_HOST_MAP=peer.setting()) as stack, Api(stack.url) as api:
        undisturbed = api.wait(api.submit(VODS[0])["job_id"])
        expected = artifacts(api, undisturbed["job_id"])
        jobs = [api.submit(vod, force=True)["job_id"] for vod in VODS]
        for _ in range(ROUNDS):
            time.sleep(dice.uniform(4, 10))  # the fault's own rhythm
            victim = dice.choice(workers_of(stack.pid))
            victim.kill()
        last_kill = time.monotonic()
        ended = wait_for_all(api, jobs, seconds=600)
        print(f"all ended {time.monotonic() - last_kill:.0f} s after the last kill")

        failed = Counter(job["error"]["code"] for job in ended if job["error"])
        assert [job["status"] for job in ended].count("completed") == len(VODS), failed
        assert artifacts(api, jobs[0]) == expected
        finished = Counter((line["job_id"], line["stage"]) for line in log_events(tmp_path / "logs", "stage_finished"))
        assert max(finished.values()) == 1


def test_a_recording_whose_work_kills_its_process_each_time_fails_alone(peer: TwitchPeer, tmp_path: Path) -> None:
    with running_stack(tmp_path, TWITCH_HOST_MAP=peer.setting()) as stack, Api(stack.url) as api:
        good = [api.submit(vod)["job_id"] for vod in VODS[1:6]]
        poison = api.submit(VODS[0])["job_id"]
        killed: set[int] = set()

        def kill_its_process() -> bool:
            for line in log_events(tmp_path / "logs", "stage_started"):
                if line["job_id"] != poison or line["stage"] != "transcribe" or line["token"] in killed:
                    continue
                children = [p for p in workers_of(stack.pid) if "transcription" in " ".join(p.cmdline())]
                holder = next(p for p in children if p.parent() in children)
                holder.kill()
                killed.add(line["token"])
            return bool(api.job(poison)["status"] == "failed")

        wait_until(kill_its_process, seconds=180, every=0.05)

        assert api.job(poison)["error"]["code"] == "WORKER_LOST"
        assert len(killed) == 3
        assert {job["status"] for job in wait_for_all(api, good, seconds=180)} == {"completed"}


def test_the_whole_stack_killed_with_jobs_in_every_stage_completes_them_all(peer: TwitchPeer, tmp_path: Path) -> None:
    with running_stack(tmp_path, TWITCH_HOST_MAP=peer.setting()) as stack, Api(stack.url) as api:
        jobs = [api.submit(vod)["job_id"] for vod in VODS[:20]]
        wait_until(lambda: any(api.job(job_id)["status"] == "completed" for job_id in jobs), seconds=120)
        family = [psutil.Process(stack.pid), *psutil.Process(stack.pid).children(recursive=True)]
        for process in family:
            process.kill()
        psutil.wait_procs(family, timeout=10)

    with running_stack(tmp_path, TWITCH_HOST_MAP=peer.setting()) as stack, Api(stack.url) as api:
        ended = wait_for_all(api, jobs, seconds=300)

    assert Counter(job["status"] for job in ended) == {"completed": 20}, [job["error"] for job in ended]
