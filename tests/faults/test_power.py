"""Every process of the stack dies at once, as in a power cut, with jobs in all stages."""

import time
from pathlib import Path
from typing import Any

from shared.stages import STAGES
from tests.acceptance.conftest import TERMINAL, Api, running_stack
from tests.conftest import wait_until
from tests.faults import harm
from tests.peers.twitch_process import TwitchPeer

JOBS = 20
SECONDS = 60
VODS = tuple(str(9200 + number) for number in range(JOBS))


def test_a_power_cut_loses_no_job(peer: TwitchPeer, tmp_path: Path, figures: dict[str, Any]) -> None:
    peer.control(vods=[{"id": vod, "seconds": SECONDS, "comments": 5 * SECONDS} for vod in VODS])
    with running_stack(tmp_path, TWITCH_HOST_MAP=peer.setting()) as stack, Api(stack.url) as api:
        ids: list[str] = []

        def spread() -> bool:
            """More jobs until every stage is done in some job and not in another, and all are submitted."""
            if len(ids) < JOBS:
                ids.append(api.submit(VODS[len(ids)])["job_id"])
            stages = [api.job(job_id)["progress"]["stages_completed"] for job_id in ids]
            return len(ids) == JOBS and max(stages) >= len(STAGES) - 1

        wait_until(spread, seconds=120)
        before = [api.job(job_id)["progress"]["stages_completed"] for job_id in ids]
        harm.kill_everything(stack)

    began = time.monotonic()
    with running_stack(tmp_path, TWITCH_HOST_MAP=peer.setting()) as stack, Api(stack.url) as api:
        ready_s = time.monotonic() - began
        wait_until(lambda: all(api.job(job_id)["status"] in TERMINAL for job_id in ids), seconds=400, every=1)
        jobs = [api.job(job_id) for job_id in ids]

    figures.update(
        jobs=JOBS,
        stages_done_at_the_cut={done: before.count(done) for done in sorted(set(before))},
        completed=sum(job["status"] == "completed" for job in jobs),
        seconds_to_ready=round(ready_s, 1),
        seconds_to_all=round(time.monotonic() - began, 1),
    )
    assert {job["status"] for job in jobs} == {"completed"}, [job["error"] for job in jobs if job["error"]]
    assert {job["attempt"] for job in jobs} == {1}
