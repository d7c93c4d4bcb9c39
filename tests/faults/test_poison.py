"""A video whose decoding kills the process each time: it fails, and nobody else does."""

import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from shared.jobs import Job
from shared.redis.store import JobStore
from tests.acceptance.conftest import TERMINAL, Api, running_stack
from tests.conftest import wait_until
from tests.faults.conftest import VODS
from tests.faults.harm import store_of
from tests.peers.twitch_process import TwitchPeer

GOOD = 20
POISON = "9300"


class Poison(threading.Thread):
    """Kills whoever decodes the sound of one job, as a crash in native code would: at once, and every time."""

    def __init__(self, store: JobStore, job_id: str) -> None:
        super().__init__(daemon=True)
        self.killed: list[str] = []
        self._store, self._job_id = store, job_id

    def run(self) -> None:
        with self._store.redis.pubsub() as heard:
            heard.subscribe(f"klip:channel:{self._job_id}")
            while not (job := self._store.get(self._job_id)).is_terminal:
                self._strike(job)
                heard.get_message(timeout=0.05)

    def _strike(self, job: Job) -> None:
        if job.stage == "transcribe" and job.holder is not None and job.holder not in self.killed:
            with suppress(psutil.NoSuchProcess):
                psutil.Process(int(job.holder.split(":")[1])).kill()
                self.killed.append(job.holder)


def test_a_video_that_kills_its_worker_fails_alone(peer: TwitchPeer, tmp_path: Path, figures: dict[str, Any]) -> None:
    # Long enough that its sound is still being decoded when the blow falls.
    peer.control(vods=[{"id": POISON, "seconds": 3600, "comments": 10}])
    with running_stack(tmp_path, TWITCH_HOST_MAP=peer.setting()) as stack, Api(stack.url) as api:
        store = store_of(tmp_path)
        half = GOOD // 2
        good = [api.submit(vod, force=True)["job_id"] for vod in VODS[:half]]
        bad = api.submit(POISON)["job_id"]
        good += [api.submit(vod, force=True)["job_id"] for vod in VODS[half:GOOD]]
        poison = Poison(store, bad)
        poison.start()

        wait_until(lambda: all(api.job(i)["status"] in TERMINAL for i in (bad, *good)), seconds=400, every=1)
        poison.join(10)
        failed, jobs = api.job(bad), [api.job(job_id) for job_id in good]
        store.redis.connection_pool.disconnect()

    figures.update(
        good=GOOD,
        completed=sum(job["status"] == "completed" for job in jobs),
        deaths=len(poison.killed),
        error=failed["error"] and failed["error"]["code"],
    )
    assert failed["status"] == "failed"
    assert (failed["error"]["code"], failed["error"]["stage"]) == ("WORKER_LOST", "transcribe")
    assert len(poison.killed) == 3
    assert {job["status"] for job in jobs} == {"completed"}, [job["error"] for job in jobs if job["error"]]
