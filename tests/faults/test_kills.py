"""Random processes die while sixty jobs run: each job completes, with the files it would have had in peace."""

import json
import random
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import psutil

from shared.stages import DELIVERY_QUEUE, QUEUES
from tests.acceptance.conftest import TERMINAL, Api, running_stack
from tests.conftest import wait_until
from tests.faults import harm, watch
from tests.peers.twitch_process import TwitchPeer
from web.cli.stack import Stack

JOBS = 60
ROUNDS = 16
KINDS = tuple(str(9100 + number) for number in range(6))  # six jobs in peace tell what all sixty must make
SECONDS = 120  # long enough that the jobs outlast the killing
CHILDREN = {"download": 2, "transcription": 1, "analysis": 1}
WAIT_S = 60.0


def files_of(data_dir: Path, job_id: str) -> dict[str, str]:
    """sha256 of everything that lies in the store for the job; its own id, which files name, taken out."""
    folder = data_dir / "artifacts" / job_id
    found = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_file() and name not in {"manifest.json", "results.json"}:
            found[name] = sha256(path.read_bytes().replace(job_id.encode(), b"JOB")).hexdigest()
    return found


def results_of(data_dir: Path, job_id: str) -> dict[str, Any]:
    """The result document without what must differ: the job's id and the seconds it took."""
    text = (data_dir / "artifacts" / job_id / "results.json").read_text().replace(job_id, "JOB")
    document: dict[str, Any] = json.loads(text)
    document.pop("timings")
    return document


def listed(data_dir: Path, job_id: str) -> set[str]:
    manifest = json.loads((data_dir / "artifacts" / job_id / "manifest.json").read_text())
    return set(manifest["files"])


def harm_somebody(stack: Stack, dice: random.Random) -> tuple[str, list[int]]:
    """Kill a random pool child, or a random pool with all its children."""
    pools = harm.workers(stack)
    queue = dice.choice([queue for queue in QUEUES if queue in pools])
    children = harm.family(pools[queue].pid)
    if dice.random() < 0.5 and children:
        return f"a child of {queue}", harm.kill([dice.choice(children)])
    return f"all of {queue}", harm.kill([pools[queue], *children])


def test_sixty_jobs_survive_random_kills(
    peer: TwitchPeer, tmp_path: Path, dice: random.Random, figures: dict[str, Any]
) -> None:
    peer.control(vods=[{"id": vod, "seconds": SECONDS, "comments": 5 * SECONDS} for vod in KINDS])
    with running_stack(tmp_path, TWITCH_HOST_MAP=peer.setting()) as stack, Api(stack.url) as api:
        in_peace = {vod: api.submit(vod)["job_id"] for vod in KINDS}
        for job_id in in_peace.values():
            assert api.wait(job_id, seconds=300)["status"] == "completed"

        began = time.time()
        kind_of = {api.submit(KINDS[n % len(KINDS)], force=True)["job_id"]: KINDS[n % len(KINDS)] for n in range(JOBS)}
        deaths: dict[int, float] = {}
        for _ in range(ROUNDS):
            time.sleep(dice.uniform(4, 10))  # when processes die is chance
            at = time.time()
            what, pids = harm_somebody(stack, dice)
            deaths.update(dict.fromkeys(pids, at))
            print(f"{at - began:6.1f} s: killed {what}, {len(pids)} processes")
        last_kill = time.time()
        left = sum(api.job(job_id)["status"] not in TERMINAL for job_id in kind_of)
        wait_until(lambda: all(api.job(i)["status"] in TERMINAL for i in kind_of), seconds=1200, every=2)

        jobs = [api.job(job_id) for job_id in kind_of]
        found = watch.runs(tmp_path / "logs", deaths)
        waited = watch.longest_wait_beside_a_free_child(found, after=last_kill, children=CHILDREN)
        figures.update(
            jobs=JOBS,
            rounds=ROUNDS,
            processes_killed=len(deaths),
            completed=sum(job["status"] == "completed" for job in jobs),
            unfinished_at_the_last_kill=left,
            seconds=round(time.time() - began),
            claims=len(found),
            at_once=len(watch.at_once(found)),
            longest_wait_beside_a_free_worker_s=waited,
        )
        assert {job["status"] for job in jobs} == {"completed"}, [job["error"] for job in jobs if job["error"]]
        assert left > 0, "the jobs ended before the killing did: nothing was shown"
        assert watch.at_once(found) == []
        assert waited <= WAIT_S
        for job_id, vod in kind_of.items():
            assert files_of(tmp_path, job_id) == files_of(tmp_path, in_peace[vod]), job_id
            assert set(files_of(tmp_path, job_id)) | {"results.json"} == listed(tmp_path, job_id)
            assert results_of(tmp_path, job_id) == results_of(tmp_path, in_peace[vod])
        assert psutil.pid_exists(stack.pid)
        assert DELIVERY_QUEUE in harm.workers(stack)
        assert not [p for p in harm.family(stack.pid) if "ffmpeg" in p.name()]
